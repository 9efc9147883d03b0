// suite.mjs: the half of Check that runs tests: asks a program for its list, runs each test by the run() of the host, Node or a page, and ends
// with Check's summary line.

// suite.txt: PROGRAM threads N; PROGRAM pages TEST N; PROGRAM skip TEST REASON, where TEST may be * for all.
export function readRules(text) {
    return text.split('\n').map(line => line.match(/^(\w+) (\w+) (\S+) *(.*)$/)).filter(Boolean)
        .map(([, program, verb, what, reason]) => ({ program, verb, what, reason }))
}

// run(test, pages) gives { code, output } of an instance of its own: code is 'trap' where it trapped; without a test it lists them.
// say(text) prints. Gives the exit code.
export async function suite({ program, rules, run, say }) {
    const mine = rules.filter(r => r.program === program)
    const rule = (verb, name) => mine.find(r => r.verb === verb && r.what === name)?.reason
    const list = (await run('')).output.split('\n').map(line => line.match(/^CHECK (\d+:-?\d+) (\d+) (\w+) (.*)$/)).filter(Boolean)
    const told = new Set(), names = new Set(list.map(([, , , name]) => name))
    const tell = line => told.has(line) || (told.add(line), say(line + '\n')) // an instance a test: each says it anew
    let failures = 0, errors = 0, checks = 0
    for (const [, which, signal, name, group] of list) {
        const reason = rule('skip', name), pages = rule('pages', name)
        if (reason) {
            tell(`SKIP: ${name}: ${reason}`)
            continue
        }
        const r = await run(which, pages && Number(pages))
        checks++
        r.output.split('\n').filter(line => line.startsWith('SKIP: ')).forEach(tell)
        if (signal !== '0' ? r.code === 'trap' : r.code === 0)
            continue
        if (r.code === 'trap')
            errors++
        else
            failures++
        say(`${program}.c:${group}:${name}:${which.split(':')[1]}: ${r.code === 'trap' ? 'trapped' : `ended with ${r.code}`}\n${r.output}`)
    }
    for (const { what } of mine.filter(r => r.verb !== 'threads' && !names.has(r.what))) {
        say(`suite.txt names ${program} ${what}, which is no test\n`)
        errors++
    }
    const bad = failures + errors
    say(`${checks ? Math.floor(100 * (checks - bad) / checks) : 0}%: Checks: ${checks}, Failures: ${failures}, Errors: ${errors}\n`)
    return checks === 0 || bad > 0 ? 1 : 0
}
