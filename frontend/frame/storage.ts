/** In an opaque frame reading `localStorage` throws, and many libraries die of it: a Map stands in for each storage. */

export function provideStorage(target: Window): void {
  for (const name of ["localStorage", "sessionStorage"] as const) {
    try {
      target[name].getItem("");
    } catch {
      Object.defineProperty(target, name, { configurable: true, value: memoryStorage() });
    }
  }
}

export function memoryStorage(): Storage {
  const items = new Map<string, string>();
  const storage: Storage = {
    get length() {
      return items.size;
    },
    key: (index) => [...items.keys()][index] ?? null,
    getItem: (name) => items.get(String(name)) ?? null,
    setItem: (name, value) => {
      items.set(String(name), String(value));
    },
    removeItem: (name) => {
      items.delete(String(name));
    },
    clear: () => items.clear(),
  };
  return storage;
}
