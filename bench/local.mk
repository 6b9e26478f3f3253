# SPDX-License-Identifier: Apache-2.0
# Built by `make bench`, never by `make`.
bench_programs = bench/loader_bench bench/decode_bench bench/kernel_bench bench/compute_bench \
  bench/network_bench bench/limits_bench bench/reduce_bench bench/delay_line
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)
bench: $(bench_programs)
.PHONY: bench

bench_loader_bench_SOURCES = bench/loader_bench.c
bench_loader_bench_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS)

bench_decode_bench_SOURCES = bench/decode_bench.c
bench_decode_bench_LDADD = libio.la libnn.la $(MR_LIBS)

bench_kernel_bench_SOURCES = bench/kernel_bench.c
bench_kernel_bench_LDADD = libnn.la $(MR_LIBS)

bench_compute_bench_SOURCES = bench/compute_bench.c
bench_compute_bench_LDADD = libnn.la $(MR_LIBS)
EXTRA_DIST += bench/load.sh bench/checkpoint.sh bench/run bench/stream_bench.sh bench/peers/stream.py bench/peers/model.py bench/peers/aug.py bench/peers/train_compute.py \
  bench/peers/train_e2e.py bench/peers/infer.py bench/peers/stream_infer.py bench/peers/loaders.py \
  bench/peers/export_onnx.py bench/peers/ort_bench.js

bench_network_bench_SOURCES = bench/network_bench.c
bench_network_bench_LDADD = libio.la libnn.la $(MR_LIBS)

bench_delay_line_SOURCES = bench/delay_line.c

bench_limits_bench_SOURCES = bench/limits_bench.c
bench_limits_bench_LDADD = $(MR_LIBS)

# Under mpirun; two_hosts.sh does that over a link of limited speed.
bench_reduce_bench_SOURCES = bench/reduce_bench.c
bench_reduce_bench_LDADD = libpipeline.la libio.la libnn.la $(MR_LIBS)
EXTRA_DIST += bench/hosts.sh bench/two_hosts.sh bench/scaling.sh bench/scaling_fit.py bench/scaling.points
