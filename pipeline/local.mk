# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libpipeline.la
libpipeline_la_SOURCES = \
  pipeline/augment.c pipeline/augment.h \
  pipeline/batch.c pipeline/batch.h \
  pipeline/budget.c pipeline/budget.h \
  pipeline/callback.h \
  pipeline/callbacks.c pipeline/callbacks.h \
  pipeline/checkpoint.c pipeline/checkpoint.h \
  pipeline/checkpoint_dir.c pipeline/checkpoint_dir.h \
  pipeline/checkpoint_write.c \
  pipeline/decode_stage.c \
  pipeline/early_end.c pipeline/early_end.h \
  pipeline/epochs.c \
  pipeline/eventcount.c pipeline/eventcount.h \
  pipeline/feed.c pipeline/feed.h \
  pipeline/fine_tune.c pipeline/fine_tune.h \
  pipeline/fingerprint.c pipeline/fingerprint.h \
  pipeline/history.c pipeline/history.h \
  pipeline/infer_pass.c \
  pipeline/loader.c pipeline/loader.h \
  pipeline/model_task.c pipeline/model_task.h \
  pipeline/queue.c pipeline/queue.h \
  pipeline/ranks.h \
  pipeline/read_stage.c \
  pipeline/reducer.c pipeline/reducer.h \
  pipeline/ring.c pipeline/ring.h \
  pipeline/resume.c pipeline/resume.h \
  pipeline/run_state.c pipeline/run_state.h \
  pipeline/snapshots.c pipeline/snapshots.h \
  pipeline/shard.h \
  pipeline/stages.h \
  pipeline/stats.c pipeline/stats.h \
  pipeline/together.c pipeline/together.h \
  pipeline/train.c pipeline/train.h \
  pipeline/trainer.c pipeline/trainer.h \
  pipeline/warp.c pipeline/warp.h pipeline/warp_lanes.h \
  pipeline/warp_avx2.c \
  pipeline/warp_avx512.c
pipeline_predict_sources = \
  pipeline/census.c pipeline/census.h \
  pipeline/catch_up.c pipeline/catch_up.h \
  pipeline/dealt.c pipeline/dealt.h \
  pipeline/merge.c pipeline/merge.h \
  pipeline/path_bag.c pipeline/path_bag.h \
  pipeline/path_set.c pipeline/path_set.h \
  pipeline/placing.c pipeline/placing.h \
  pipeline/predict.c pipeline/predict.h \
  pipeline/predict_arrays.c pipeline/predict_arrays.h \
  pipeline/predict_facts.c pipeline/predict_facts.h \
  pipeline/predict_rows.c pipeline/predict_rows.h \
  pipeline/predict_verify.c pipeline/predict_verify.h \
  pipeline/predictor.c pipeline/predictor.h \
  pipeline/selection.c pipeline/selection.h \
  pipeline/stream.c pipeline/stream_inside.h \
  pipeline/stream_push.c pipeline/stream_receive.c \
  pipeline/verdict.c pipeline/verdict.h \
  pipeline/walk.c pipeline/walk.h \
  pipeline/watch.c pipeline/watch.h
libpipeline_la_SOURCES += $(pipeline_predict_sources)
if HAVE_MPI
libpipeline_la_SOURCES += pipeline/ranks_mpi.c
else
libpipeline_la_SOURCES += pipeline/ranks_alone.c
endif
EXTRA_DIST += pipeline/ranks_mpi.c pipeline/ranks_alone.c
