# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libnn.la
nn_core_sources = \
  nn/arch/arch.c nn/arch/arch.h nn/arch/archs.h \
  nn/arch/builder.c nn/arch/builder.h \
  nn/arch/cnn.c \
  nn/arch/mobilenet_v2.c \
  nn/arch/resnet.c \
  nn/arch/resnet50.c \
  nn/activity.c nn/activity.h \
  nn/atomic.h \
  nn/error.c nn/error.h \
  nn/gemm.c nn/gemm.h \
  nn/graph.c nn/graph.h \
  nn/moving_statistics.c nn/moving_statistics.h \
  nn/graph_build.c nn/graph_build.h \
  nn/graph_calls.c \
  nn/initializer.c nn/initializer.h \
  nn/loss.c nn/loss.h \
  nn/optimizer.c nn/optimizer.h \
  nn/optimizers.c \
  nn/peers.h \
  nn/plan.h \
  nn/plan_memory.c nn/plan_memory.h \
  nn/fused/internal.h \
  nn/fused/gradients.c \
  nn/fused/layer_op.c \
  nn/fused/operations.c \
  nn/fused/program.c \
  nn/random.c nn/random.h \
  nn/real.h \
  nn/schedule.c nn/schedule.h \
  nn/shape.c nn/shape.h \
  nn/task.c nn/task.h \
  nn/team.c nn/team.h \
  nn/version.c
libnn_la_SOURCES = $(nn_core_sources)
nn_report_sources = \
  nn/confusion.c \
  nn/report.c nn/report.h \
  nn/text.c nn/text.h \
  nn/utf8.c
libnn_la_SOURCES += $(nn_report_sources)
nn_layer_sources = \
  nn/activation.c nn/activation.h \
  nn/activation_functions.c nn/activation_functions.h \
  nn/layer.c nn/layer.h \
  nn/layers.c \
  nn/simd.h \
  nn/vector_math.h \
  nn/layers/activations.c \
  nn/layers/batch_normalization.c \
  nn/layers/column_sums.c \
  nn/layers/common.c nn/layers/common.h \
  nn/layers/concatenate.c \
  nn/layers/conv2d.c \
  nn/layers/conv2d_transpose.c \
  nn/layers/convolution.c nn/layers/convolution.h \
  nn/layers/convolution_gradients.c \
  nn/layers/convolution_internal.h \
  nn/layers/convolution_layer.c \
  nn/layers/convolution_scatter.c \
  nn/layers/dense.c \
  nn/layers/depthwise.c nn/layers/depthwise.h \
  nn/layers/depthwise_conv2d.c \
  nn/layers/draw.c nn/layers/draw.h \
  nn/layers/dropout.c \
  nn/layers/global_pooling.c \
  nn/layers/group_normalization.c \
  nn/layers/layer_normalization.c \
  nn/layers/layers.h \
  nn/layers/margins.c \
  nn/layers/merge.c \
  nn/layers/noise.c \
  nn/layers/parts.h \
  nn/layers/patches.c nn/layers/patches.h \
  nn/layers/permute.c \
  nn/layers/pooling2d.c \
  nn/layers/prelu.c \
  nn/layers/random_colour.c \
  nn/layers/random_geometry.c \
  nn/layers/resample.c nn/layers/resample.h \
  nn/layers/rescaling.c \
  nn/layers/reshape.c \
  nn/layers/resizing.c \
  nn/layers/separable_conv2d.c \
  nn/layers/warp.c nn/layers/warp.h
libnn_la_SOURCES += $(nn_layer_sources)
# The fast convolutions, in float alone: what the plan's fused steps are made of.
nn_kernel_sources = \
  nn/kernels/conv.c nn/kernels/conv.h nn/kernels/conv_internal.h \
  nn/kernels/conv_area.c \
  nn/kernels/conv_backward.c \
  nn/kernels/conv_body.h \
  nn/kernels/conv_cut.c \
  nn/kernels/conv_pack.c \
  nn/kernels/depthwise.c nn/kernels/depthwise.h nn/kernels/depthwise_body.h \
  nn/kernels/elementwise.c nn/kernels/elementwise.h \
  nn/kernels/bf16.h \
  nn/kernels/isa.c nn/kernels/isa.h \
  nn/kernels/mixed.h nn/kernels/mixed_body.h nn/kernels/mixed_internal.h \
  nn/kernels/mixed_avx2.c \
  nn/kernels/mixed_backward.c nn/kernels/mixed_weights.c \
  nn/kernels/mixed_avx512.c \
  nn/kernels/mixed_conv.c \
  nn/kernels/mixed_cut.c \
  nn/kernels/mixed_elementwise.c \
  nn/kernels/mixed_isa.c \
  nn/kernels/mixed_pack.c \
  nn/kernels/mixed_pool.c \
  nn/kernels/mixed_portable.c \
  nn/kernels/mixed_table.h nn/kernels/mixed_narrow.h \
  nn/kernels/pool.c nn/kernels/pool.h \
  nn/kernels/pool_body.h \
  nn/kernels/reference.c nn/kernels/reference.h \
  nn/kernels/simd.h \
  nn/kernels/table.h nn/kernels/table_narrow.h \
  nn/kernels/table_avx2.c \
  nn/kernels/table_avx512.c \
  nn/kernels/table_portable.c \
  nn/kernels/winograd.c nn/kernels/winograd.h nn/kernels/winograd_body.h
nn_fused_sources = \
  nn/fused/conv_op.c \
  nn/fused/depthwise_op.c \
  nn/fused/fuse.c \
  nn/fused/lazy.c \
  nn/fused/norm_by_weights.c \
  nn/fused/mixed_op.c \
  nn/fused/norm_op.c \
  nn/fused/pool_op.c \
  nn/fused/roles.c \
  nn/fused/roles.h
libnn_la_SOURCES += $(nn_kernel_sources) $(nn_fused_sources)

# The network once more in double, for the tests alone: gradients against central differences.
check_LTLIBRARIES += libnn_double.la
libnn_double_la_SOURCES = $(nn_core_sources) $(nn_layer_sources)
libnn_double_la_CPPFLAGS = $(AM_CPPFLAGS) -DMR_REAL_DOUBLE
