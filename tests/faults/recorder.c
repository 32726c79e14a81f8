/* Records what a program does to files, for a replay of power cuts. Preloaded (LD_PRELOAD); RECORD_FOLDER names the
 * folder whose files matter, RECORD_FILE where the record goes.
 *
 * A record: one byte (w write, s sync, t truncate, u unlink), path length (u32), offset or size (u64), data length
 * (u32), path, data; native byte order, written in one call with O_APPEND.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void record(char kind, const char *path, uint64_t at, const void *data, uint32_t size) {
    static int out = -1;
    const char *folder = getenv("RECORD_FOLDER");
    if (!folder || strncmp(path, folder, strlen(folder)) != 0)
        return;
    if (out < 0)
        out = open(getenv("RECORD_FILE"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    uint32_t length = (uint32_t)strlen(path);
    struct iovec parts[] = {{&kind, 1}, {&length, 4}, {&at, 8}, {&size, 4}, {(void *)path, length}, {(void *)data, size}};
    if (writev(out, parts, 6) < 0)
        abort();
}

static void record_open_file(char kind, int file, uint64_t at, const void *data, uint32_t size) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        record(kind, path, at, data, size);
    }
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    ssize_t written = NEXT(pwrite64)(file, data, size, at);
    if (written > 0)
        record_open_file('w', file, (uint64_t)at, data, (uint32_t)written);
    return written;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    ssize_t written = NEXT(pwrite)(file, data, size, at);
    if (written > 0)
        record_open_file('w', file, (uint64_t)at, data, (uint32_t)written);
    return written;
}

int fsync(int file) {
    int result = NEXT(fsync)(file);
    record_open_file('s', file, 0, "", 0);
    return result;
}

int fdatasync(int file) {
    int result = NEXT(fdatasync)(file);
    record_open_file('s', file, 0, "", 0);
    return result;
}

int ftruncate64(int file, off64_t size) {
    record_open_file('t', file, (uint64_t)size, "", 0);
    return NEXT(ftruncate64)(file, size);
}

int ftruncate(int file, off_t size) {
    record_open_file('t', file, (uint64_t)size, "", 0);
    return NEXT(ftruncate)(file, size);
}

int unlink(const char *path) {
    record('u', path, 0, "", 0);
    return NEXT(unlink)(path);
}
