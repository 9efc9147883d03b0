// wasi.mjs: the calls of wasi-libc that the suite's programs make: output, arguments, clock, and files, which live in memory; below the
// folders that the host names its own files can be read. Every instance has a system of its own. (node:wasi of Node 20 crashes after
// memory.grow.) Runs in a page, too, where there is no fs.

const OK = 0, BADF = 8, EXIST = 20, INVAL = 28, ISDIR = 31, NOENT = 44, NOSYS = 52, ROFS = 69
const FILE = 4, FOLDER = 3, TERMINAL = 2

export class Exit extends Error {
    constructor(code) {
        super(`the program ended with ${code}`)
        this.code = code
    }
}

const encode = text => new TextEncoder().encode(text)
// No view of shared memory may be decoded.
const decode = bytes => new TextDecoder().decode(bytes.slice())
const resolve = p => '/' + p.split('/').filter(part => part && part !== '.').join('/')
const parent = p => p.slice(0, p.lastIndexOf('/')) || '/'

// args, env: strings; read: folders of the host (by its fs) whose files may be read; write(fd, text): where output goes.
export function wasi({ args = ['program'], env = {}, read = [], fs, write, memory }) {
    const files = new Map() // path -> { data, size }
    const open = new Map([[0, {}], [1, {}], [2, {}], [3, { folder: '/' }]])
    const view = () => new DataView(memory.buffer)
    const bytes = (at, n) => new Uint8Array(memory.buffer, at >>> 0, n >>> 0)
    const name = (at, n) => resolve(decode(bytes(at, n)))
    const variables = Object.entries(env).map(([k, v]) => `${k}=${v}`)
    const sizes = list => (count, total) => {
        view().setUint32(count, list.length, true)
        view().setUint32(total, list.reduce((n, s) => n + encode(s).length + 1, 0), true)
        return OK
    }
    const strings = list => (pointers, at) => {
        list.forEach((s, i) => {
            const data = encode(s + '\0')
            view().setUint32(pointers + 4 * i, at, true)
            bytes(at, data.length).set(data)
            at += data.length
        })
        return OK
    }
    // The host's file, or nothing.
    const host = p => {
        if (!read.some(folder => p === folder || p.startsWith(folder + '/')) || !fs.existsSync(p))
            return undefined
        return { host: p, size: fs.statSync(p).size, folder: fs.statSync(p).isDirectory() }
    }
    const stat = (at, file, size) => {
        bytes(at, 64).fill(0)
        view().setUint8(at + 16, file)
        view().setBigUint64(at + 24, 1n, true)
        view().setBigUint64(at + 32, BigInt(size), true)
        return OK
    }
    const parts = function* (at, n) {
        for (let i = 0; i < n; i++)
            yield bytes(view().getUint32(at + 8 * i, true), view().getUint32(at + 8 * i + 4, true))
    }
    const grow = (file, size) => {
        if (size > file.data.length) {
            const data = new Uint8Array(Math.max(size, 2 * file.data.length))
            data.set(file.data.subarray(0, file.size))
            file.data = data
        }
        file.size = Math.max(file.size, size)
    }
    const calls = {
        args_sizes_get: sizes(args),
        args_get: strings(args),
        environ_sizes_get: sizes(variables),
        environ_get: strings(variables),
        clock_time_get(id, precision, at) {
            view().setBigUint64(at, BigInt(Math.round((id === 0 ? Date.now() : performance.now()) * 1e6)), true)
            return OK
        },
        clock_res_get(id, at) {
            view().setBigUint64(at, 1n, true)
            return OK
        },
        proc_exit(code) {
            throw new Exit(code)
        },
        fd_write(fd, at, n, written) {
            const f = open.get(fd)
            let total = 0
            if (!f || f.folder || f.host)
                return BADF
            for (const part of parts(at, n)) {
                if (fd < 3) {
                    write(fd, decode(part))
                } else {
                    grow(f.file, f.at + part.length)
                    f.file.data.set(part, f.at)
                    f.at += part.length
                }
                total += part.length
            }
            view().setUint32(written, total, true)
            return OK
        },
        fd_read(fd, at, n, got) {
            const f = open.get(fd)
            let total = 0
            if (!f)
                return BADF
            if (f.folder)
                return ISDIR
            for (const part of fd < 3 ? [] : parts(at, n)) {
                const k = f.host ? fs.readSync(f.handle, part, 0, part.length, f.at) : Math.min(part.length, Math.max(0, f.file.size - f.at))
                if (!f.host)
                    part.set(f.file.data.subarray(f.at, f.at + k))
                f.at += k
                total += k
                if (k < part.length)
                    break
            }
            view().setUint32(got, total, true)
            return OK
        },
        fd_seek(fd, offset, whence, at) {
            const f = open.get(fd)
            if (!f || fd < 3)
                return BADF
            const to = Number(offset) + [0, f.at, f.host ? f.size : f.file?.size][whence]
            if (!(to >= 0))
                return INVAL
            f.at = to
            view().setBigUint64(at, BigInt(to), true)
            return OK
        },
        fd_close(fd) {
            const f = open.get(fd)
            if (f?.host)
                fs.closeSync(f.handle)
            return open.delete(fd) ? OK : BADF
        },
        fd_fdstat_get(fd, at) {
            const f = open.get(fd)
            if (!f)
                return BADF
            bytes(at, 24).fill(0)
            view().setUint8(at, fd < 3 ? TERMINAL : f.folder ? FOLDER : FILE)
            view().setBigUint64(at + 8, 0x1fffffffn, true)
            view().setBigUint64(at + 16, 0x1fffffffn, true)
            return OK
        },
        fd_fdstat_set_flags: () => OK,
        fd_sync: () => OK,
        fd_filestat_get(fd, at) {
            const f = open.get(fd)
            return f ? stat(at, f.folder ? FOLDER : fd < 3 ? TERMINAL : FILE, f.host ? f.size : f.file?.size ?? 0) : BADF
        },
        fd_prestat_get(fd, at) {
            if (fd !== 3)
                return BADF
            view().setUint32(at, 0, true)
            view().setUint32(at + 4, 1, true)
            return OK
        },
        fd_prestat_dir_name(fd, at) {
            bytes(at, 1)[0] = 0x2f
            return OK
        },
        path_open(dir, follow, at, n, flags, rights, inheriting, state, fd_at) {
            const p = name(at, n), create = flags & 1, exclusive = flags & 4, cut = flags & 8
            let f = files.get(p)
            const there = f ? undefined : host(p)
            if (there && (create || cut || (rights & 64n)) && !there.folder)
                return ROFS
            if ((f || there) && exclusive)
                return EXIST
            if (!f && !there) {
                if (!create || parent(p) !== '/tmp') // the only folder of its own
                    return NOENT
                files.set(p, (f = { data: new Uint8Array(64), size: 0 }))
            }
            if (f && cut)
                f.size = 0
            let fd = 4
            while (open.has(fd))
                fd++
            if (there)
                open.set(fd, there.folder ? { folder: p } : { ...there, at: 0, handle: fs.openSync(p, 'r') })
            else
                open.set(fd, { file: f, at: state & 1 ? f.size : 0 })
            view().setUint32(fd_at, fd, true)
            return OK
        },
        path_filestat_get(dir, follow, at, n, to) {
            const p = name(at, n), f = files.get(p), there = host(p)
            return f ? stat(to, FILE, f.size) : there ? stat(to, there.folder ? FOLDER : FILE, there.size) : NOENT
        },
        path_unlink_file(dir, at, n) {
            return files.delete(name(at, n)) ? OK : NOENT
        },
        path_rename(dir, at, n, to, to_at, to_n) {
            const f = files.get(name(at, n))
            if (!f)
                return NOENT
            files.delete(name(at, n))
            files.set(name(to_at, to_n), f)
            return OK
        },
        random_get(at, n) {
            bytes(at, n).fill(7)
            return OK
        },
        sched_yield: () => OK,
    }
    // What a program links but never calls.
    return new Proxy(calls, { get: (all, call) => all[call] ?? (() => NOSYS), has: () => true })
}
