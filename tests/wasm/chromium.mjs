// chromium.mjs BUILD PROGRAM...: runs programs of a single-threaded WebAssembly build in headless Chromium, on a page that it serves itself.
// CHROMIUM names the browser (default: chromium).
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'

const [build, ...programs] = process.argv.slice(2)
const here = path.dirname(new URL(import.meta.url).pathname)
const kinds = { '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.txt': 'text/plain' }
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tally-chromium-'))
let browser

// The browser's processes are a group of their own, and some of them write into the profile until they are gone.
function end(code) {
    const last = () => {
        try {
            fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
        } catch (e) {
            console.error(`left behind: ${e.message}`)
        }
        process.exit(code)
    }
    browser?.removeAllListeners('exit')
    if (!browser?.pid || browser.exitCode !== null || browser.signalCode !== null)
        last()
    browser.once('close', last)
    process.kill(-browser.pid, 'SIGKILL')
}

const server = http.createServer((request, answer) => {
    const name = new URL(request.url, 'http://localhost').pathname
    if (name === '/done') {
        let body = ''
        request.on('data', more => body += more).on('end', () => {
            const { text, result } = JSON.parse(body)
            fs.writeSync(1, text)
            end(result)
        })
        return
    }
    if (name === '/') {
        answer.setHeader('content-type', 'text/html').end('<!doctype html><script type="module" src="page.mjs"></script>')
        return
    }
    const file = path.join(name.startsWith('/programs/') ? path.join(build, 'tests') : here, path.basename(name))
    if (!kinds[path.extname(file)] || !fs.existsSync(file)) {
        answer.writeHead(404).end()
        return
    }
    answer.setHeader('content-type', kinds[path.extname(file)])
    fs.createReadStream(file).pipe(answer)
}).listen(0, '127.0.0.1', () => {
    const wanted = new URLSearchParams(Object.entries(process.env).filter(([k]) => k === 'TALLY_TEST_LEVEL'))
    for (const program of programs)
        wanted.append('program', program)
    browser = spawn(process.env.CHROMIUM ?? 'chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`,
        `http://127.0.0.1:${server.address().port}/?${wanted}`], { stdio: 'ignore', detached: true })
    browser.on('error', e => {
        console.error(`chromium cannot be started: ${e.message}`)
        end(2)
    })
    browser.on('exit', () => {
        console.error('chromium ended before the programs did')
        end(2)
    })
})
setTimeout(() => {
    console.error('chromium has not finished after 10 minutes')
    end(1)
}, 600000)
