// SPDX-License-Identifier: Apache-2.0
// node bench.js MODEL.onnx SIZE THREADS [BATCH] [SECS]
const ort = require('onnxruntime-node');
// Seconds; of the process's core time where BENCH_CLOCK says so.
const now = () => { if (process.env.BENCH_CLOCK !== 'core') return Number(process.hrtime.bigint()) / 1e9; const c = process.cpuUsage(); return (c.user + c.system) / 1e6; };
(async () => {
  const [, , f, S, T, B = 32, secs = 6] = process.argv; const b = +B, s = +S;
  const ses = await ort.InferenceSession.create(f, { executionProviders: ['cpu'], intraOpNumThreads: +T, interOpNumThreads: 1, graphOptimizationLevel: 'all', executionMode: 'sequential' });
  const d = new Float32Array(b * 3 * s * s); for (let i = 0; i < d.length; i++) d[i] = Math.random();
  const run = () => ses.run({ x: new ort.Tensor('float32', d, [b, 3, s, s]) });
  for (let i = 0; i < 3; i++) await run();
  const r = []; const end = Date.now() + secs * 1000, k = s == 64 ? 5 : 1;
  while (Date.now() < end) { const t = now(); for (let i = 0; i < k; i++) await run(); r.push(k * b / (now() - t)); }
  r.sort((a, c) => a - c); console.log(`ort-node ${f.split('/').pop()} threads=${T} B=${b}: median ${r[r.length >> 1].toFixed(1)} img/s (min ${r[0].toFixed(1)} max ${r[r.length - 1].toFixed(1)}, n=${r.length})`);
  process.exit(0);
})();
