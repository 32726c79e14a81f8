/* A disk that is full while a file says so. Preloaded (LD_PRELOAD); FULL_FOLDER names the folder whose files are on it,
 * FULL_FILE the file whose presence makes it full. What is written fails with ENOSPC, now and then after a part of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int full(int file) {
    const char *folder = getenv("FULL_FOLDER"), *sign = getenv("FULL_FILE");
    if (!folder || !sign || access(sign, F_OK) != 0)
        return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 0 && strncmp(path, folder, strlen(folder)) == 0;
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    static unsigned times;
    if (!full(file))
        return NEXT(pwrite64)(file, data, size, at);
    if (++times % 3 == 0 && size > 1)
        return NEXT(pwrite64)(file, data, size / 2, at);
    errno = ENOSPC;
    return -1;
}

ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return pwrite64(file, data, size, at);
}

ssize_t write(int file, const void *data, size_t size) {
    if (!full(file))
        return NEXT(write)(file, data, size);
    errno = ENOSPC;
    return -1;
}
