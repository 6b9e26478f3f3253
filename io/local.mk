# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libio.la
libio_la_SOURCES =
io_present_sources = \
  io/axis.c io/axis.h \
  io/canvas.c io/canvas.h \
  io/cell.c io/cell.h \
  io/checksum.c io/checksum.h \
  io/csv.c io/csv.h \
  io/event_file.c io/event_file.h \
  io/jpeg_write.c io/jpeg_write.h \
  io/json.c io/json.h \
  io/montage.c io/montage.h \
  io/permissions.c io/permissions.h \
  io/plot.c io/plot.h \
  io/sandbox.c io/sandbox.h \
  io/sample.c io/sample.h
libio_la_SOURCES += $(io_present_sources)
io_image_sources = \
  io/preprocess.c io/preprocess.h \
  io/allowance.c io/allowance.h \
  io/image.c io/image.h \
  io/decoder.h io/pixels.c \
  io/jpeg.c \
  io/png.c io/png_chunks.c io/png_chunks.h \
  io/resize.c io/resize.h \
  io/taps.c \
  io/resize_plain.c \
  io/resize_kernels.c \
  io/resize_avx2.c \
  io/resize_vnni.c
io_file_sources = \
  io/cgroup.c io/cgroup.h \
  io/processors.c io/processors.h \
  io/reader.c io/reader.h io/reader_backend.h \
  io/buffer_pool.c \
  io/reader_uring.c \
  io/reader_pread.c \
  io/dataset.c io/dataset.h \
  io/class_name.c io/class_name.h \
  io/dataset_layout.c \
  io/endings.c io/endings.h \
  io/folder_ids.c io/folder_ids.h \
  io/held_out.c io/held_out.h \
  io/folder.c io/folder.h \
  io/strings.c io/strings.h
libio_la_SOURCES += $(io_image_sources) $(io_file_sources)
io_keras_sources = \
  io/claim.c io/claim.h \
  io/durable.c io/durable.h \
  io/file_lock.c io/file_lock.h \
  io/output.c io/output.h \
  io/hdf5.c io/hdf5.h \
  io/hdf5_attribute.c \
  io/hdf5_heap.c \
  io/hdf5_check.c io/hdf5_check.h io/hdf5_walk.h \
  io/hdf5_check_btree2.c \
  io/hdf5_check_data.c \
  io/hdf5_check_dense.c \
  io/hdf5_check_filter.c \
  io/hdf5_check_group.c \
  io/hdf5_check_heap.c \
  io/hdf5_check_index.c \
  io/hdf5_check_message.c \
  io/hdf5_check_object.c \
  io/hdf5_check_sum.c \
  io/hdf5_check_type.c \
  io/hdf5_checksum.c io/hdf5_checksum.h \
  io/hdf5_file.c io/hdf5_file.h \
  io/hdf5_image.c \
  io/hdf5_raw.c io/hdf5_raw.h \
  io/hdf5_storage.c io/hdf5_storage.h \
  io/hdf5_tree.c \
  io/json_python.c io/json_python.h \
  io/json_tree.c io/json_tree.h \
  io/keras_call.c io/keras_internal.h \
  io/keras_defaults.c \
  io/keras_dialect.c io/keras_dialect.h \
  io/keras_layer.c \
  io/keras_layout.c io/keras_layout.h \
  io/keras_layout_shapes.c \
  io/keras_object.c \
  io/keras_order.c \
  io/keras_own.c io/keras_own.h \
  io/keras_param.c \
  io/keras_rewrite.c \
  io/keras_slots.h \
  io/keras_slots_read.c \
  io/keras_slots_write.c \
  io/keras_store.c io/keras_store.h \
  io/keras_structure.c \
  io/keras_target.c \
  io/keras_training.c io/keras_training.h \
  io/keras_weights.h \
  io/keras_weights_h5.c \
  io/keras_weights_zip.c \
  io/keras_write.h \
  io/keras_write_config.c \
  io/keras_write_config_zip.c \
  io/keras_write_h5.c \
  io/keras_write_zip.c \
  io/keras_zip.c io/keras_zip.h \
  io/model_file.c io/model_file.h \
  io/model_read.h \
  io/model_read_h5.c \
  io/model_read_zip.c \
  io/seal.c io/seal.h \
  io/self_test.c io/self_test.h \
  io/verify.c io/verify.h
libio_la_SOURCES += $(io_keras_sources)
io_array_sources = io/arrays.c io/arrays.h
libio_la_SOURCES += $(io_array_sources)
io_stream_sources = \
  io/array_stream.c io/array_stream.h \
  io/listing.c io/listing.h \
  io/name_runs.c io/name_runs.h \
  io/path_list.c io/path_list.h \
  io/row_file.c io/row_format.h \
  io/row_reader.c \
  io/sink.c io/sink.h io/sink_kind.h \
  io/sink_csv.c \
  io/sink_hdf5.c \
  io/sink_journal.c \
  io/sink_jsonl.c
libio_la_SOURCES += $(io_stream_sources)
