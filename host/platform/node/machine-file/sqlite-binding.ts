/**
 * What of SQLite's Wasm build the VFS uses. Its published types leave out the fields of C structures, which stand under
 * `$` and their C name: https://sqlite.org/wasm/doc/trunk/c-structs.md.
 */
export interface SqliteBinding {
  readonly capi: {
    sqlite3_vfs_find(name: string | null): number;
    readonly sqlite3_vfs: new (pointer?: number) => VfsStructure;
    readonly sqlite3_io_methods: new () => CStructure & { $iVersion: number };
    readonly sqlite3_file: (new (
      pointer: number,
    ) => CStructure & { $pMethods: number }) & {
      readonly structInfo: { readonly sizeof: number };
    };
  } & Readonly<Record<SqliteConstant, number>>;
  readonly wasm: {
    heap8u(): Uint8Array;
    poke(pointer: number, value: number | bigint, type: "i32" | "i64"): void;
    cstrToJs(pointer: number): string | null;
    cstrncpy(target: number, source: number, byteLength: number): number;
    allocCString(text: string): number;
  };
  readonly vfs: {
    installVfs(parts: {
      readonly io: { readonly struct: CStructure; readonly methods: Methods };
      readonly vfs: {
        readonly struct: CStructure;
        readonly methods: Methods;
        readonly name: string;
        readonly asDefault: boolean;
      };
    }): void;
  };
}

/** 64-bit arguments are bigints. */
type Methods = Readonly<Record<string, (...values: never[]) => number>>;

interface CStructure {
  readonly pointer: number;
  dispose(): void;
}

interface VfsStructure extends CStructure {
  $iVersion: number;
  $szOsFile: number;
  $mxPathname: number;
  $zName: number;
  $xRandomness: number;
  $xSleep: number;
  $xCurrentTime: number;
  $xCurrentTimeInt64: number;
  $xGetLastError: number;
}

type SqliteConstant =
  | "SQLITE_OK"
  | "SQLITE_NOTFOUND"
  | "SQLITE_FULL"
  | "SQLITE_READONLY"
  | "SQLITE_CANTOPEN"
  | "SQLITE_IOERR_CLOSE"
  | "SQLITE_IOERR_READ"
  | "SQLITE_IOERR_SHORT_READ"
  | "SQLITE_IOERR_WRITE"
  | "SQLITE_IOERR_TRUNCATE"
  | "SQLITE_IOERR_FSYNC"
  | "SQLITE_IOERR_FSTAT"
  | "SQLITE_IOERR_DELETE"
  | "SQLITE_IOERR_DELETE_NOENT"
  | "SQLITE_IOERR_DIR_FSYNC"
  | "SQLITE_ACCESS_READWRITE"
  | "SQLITE_OPEN_READWRITE"
  | "SQLITE_OPEN_CREATE"
  | "SQLITE_OPEN_EXCLUSIVE"
  | "SQLITE_OPEN_DELETEONCLOSE";
