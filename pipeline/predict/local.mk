# SPDX-License-Identifier: Apache-2.0
libpipeline_la_SOURCES += \
  pipeline/predict/merge.c pipeline/predict/merge.h \
  pipeline/predict/placing.c pipeline/predict/placing.h \
  pipeline/predict/predict.c pipeline/predict/predict.h \
  pipeline/predict/predict_arrays.c pipeline/predict/predict_arrays.h \
  pipeline/predict/predict_facts.c pipeline/predict/predict_facts.h \
  pipeline/predict/predict_options.h \
  pipeline/predict/predict_rows.c pipeline/predict/predict_rows.h \
  pipeline/predict/predict_verify.c pipeline/predict/predict_verify.h \
  pipeline/predict/predictor.c pipeline/predict/predictor.h \
  pipeline/predict/resume_output.c pipeline/predict/resume_output.h \
  pipeline/predict/verdict.c pipeline/predict/verdict.h
