/* modules.js: which of the four WebAssembly modules an engine can run, and where each lies. The addresses are spelled out one by one, because
 * that is the form in which bundlers recognise a file that they must carry along. */

const FILES = {
  simd128: () => new URL('../wasm/tally-simd128.wasm', import.meta.url),
  relaxed: () => new URL('../wasm/tally-relaxed.wasm', import.meta.url),
  'simd128-threads': () => new URL('../wasm/tally-simd128-threads.wasm', import.meta.url),
  'relaxed-threads': () => new URL('../wasm/tally-relaxed-threads.wasm', import.meta.url),
};

const bytes = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
/* (func (result v128) i32.const 0 i8x16.splat) */
const SIMD = '0061736d010000000105016000017b030201000a080106004100fd0f0b';
/* (func (export "f") (param i64 i64 i64 i64) (result i32)): lane 0 of the relaxed dot of two vectors, onto zeros. */
const RELAXED =
  '0061736d01000000' + // magic, version
  '0109016004' + '7e7e7e7e' + '017f' + // type: i64 x 4 -> i32
  '03020100' + // function 0 has type 0
  '070501' + '0166' + '0000' + // export "f"
  '0a20011e00' + // code: one body of 30 bytes, no locals
  '2000fd12' + '2001fd1e01' + // a: splat low, then lane 1 high
  '2002fd12' + '2003fd1e01' + // b
  '4100fd11' + // zeros
  'fd9302' + // i32x4.relaxed_dot_i8x16_i7x16_add_s
  'fd1b00' + // lane 0
  '0b';

const signed = (byte) => BigInt.asIntN(64, BigInt('0x' + (byte & 0xff).toString(16).padStart(2, '0').repeat(8)));

/* The relaxed dot may legally differ where the second operand is beyond 7 bits, and some baseline compilers get it wrong within; so the
 * answer is computed and compared before it is believed. Null: right; else what is wrong. */
export function relaxedFault() {
  const code = bytes(RELAXED);
  if (!WebAssembly.validate(code)) return 'the engine has no relaxed SIMD';
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(code)).exports;
  for (const weight of [15, 31, 63, 127])
    for (const x of [127, -127]) {
      const got = f(signed(x), signed(x), signed(weight), signed(weight));
      if (got !== 4 * x * weight) return `the engine's relaxed dot product is wrong: ${weight} by ${x} four times gave ${got}`;
    }
  return null;
}

/* The best level that runs here, and why not a better one; over shared memory where that is to be had, even for one thread, because a run can then be
 * stopped from outside. instead: the module for a site that carries the lower level only. */
export function chooseModule(shared) {
  if (!WebAssembly.validate(bytes(SIMD))) return { fault: 'this browser lacks WebAssembly SIMD (since 2021 in Chrome and Firefox, 2023 in Safari)' };
  const fault = relaxedFault();
  const level = fault ? 'simd128' : 'relaxed';
  const ending = shared ? '-threads' : '';
  return { level, note: fault, url: FILES[level + ending](), instead: fault ? undefined : FILES[`simd128${ending}`]() };
}
