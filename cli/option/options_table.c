/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the command line. */
#include "cli/option/options.h"

#include <stddef.h>
#include <stdint.h>

#define AT(field) offsetof(mr_cli, field)
#define TRAIN MR_FOR_TRAIN
#define RUNS MR_FOR_MODEL_RUNS
#define SEES (MR_FOR_TRAIN | MR_FOR_EVALUATE)
#define PREDICT MR_FOR_PREDICT
static const char data[] = "Data", preprocessing[] = "Preprocessing", model[] = "Model", training[] = "Training",
                  optimizer[] = "Optimizer", callbacks[] = "Callbacks (METRIC: loss, accuracy, val_loss, val_accuracy, or another column of --history)", schedule[] = "Learning rate schedule (N: steps, or epochs as in 5epochs)", augmentation[] = "Augmentation (as in Keras's ImageDataGenerator)", out[] = "Output",
                  checkpoints[] = "Checkpoints", inference[] = "Inference", everywhere[] = "Everywhere";
static const double huge = 1e300;

const mr_option mr_options[] = {
    {"data", MR_TEXT, SEES | MR_READS | MR_MAY_CHANGE, AT(data), 0, 0, "DIR", "folder with training/, validation/, testing/, or with class folders", data},
    {"train-dir", MR_TEXT, TRAIN | MR_READS | MR_MAY_CHANGE, AT(train_dir), 0, 0, "DIR", "class folders to train on", data},
    {"validation-dir", MR_TEXT, TRAIN | MR_READS | MR_MAY_CHANGE, AT(validation_dir), 0, 0, "DIR", "class folders to validate on", data},
    {"validation-split", MR_NUMBER, TRAIN, AT(validation_split), 0, .99, "F", "share of each class kept for validation", data},
    {"part", MR_TEXT, MR_FOR_EVALUATE, AT(part), 0, 0, "NAME",
     "training, validation or all, of data split by --validation-split [what was held out]", data},
    {"images", MR_LIST, PREDICT | MR_PICKS, AT(images), 0, 0, "PATH", "a folder (walked), a file, or - for a list on standard input; also without --images", data},
    {"include", MR_LIST, PREDICT | MR_OF_IMAGES, AT(include), 0, 0, "GLOB", "files to take from folders [those named as images are]", data},
    {"exclude", MR_LIST, PREDICT | MR_OF_IMAGES, AT(exclude), 0, 0, "GLOB", "files to leave out, folders not to enter", data},
    {"null", MR_FLAG, PREDICT | MR_OF_IMAGES, AT(null), 0, 0, NULL, "names on standard input end with NUL [by what comes]", data},
    {"watch", MR_LIST, PREDICT | MR_PICKS | MR_ALONE, AT(watch), 0, 0, "DIR", "the files in a folder, and new ones as they arrive, until stopped", data},
    {"only-new", MR_FLAG, PREDICT | MR_OF_IMAGES, AT(only_new), 0, 0, NULL, "with --watch: pass over files that are there at the start", data},
    {"arrays", MR_TEXT, RUNS | MR_READS | MR_MAY_CHANGE | MR_ALONE, AT(arrays), 0, 0, "FILE.h5", "datasets x, y, x_val, y_val (predict: input_0, …) instead of images", data},

    {"image-size", MR_TEXT, RUNS, AT(image_size), 0, 0, "HxW", "size of the network's input, where neither model nor arrays say it", preprocessing},
    {"color-mode", MR_TEXT, RUNS, AT(color_mode), 0, 0, "MODE", "rgb or grayscale [rgb]", preprocessing},
    {"rescale", MR_TEXT, RUNS, AT(rescale), 0, 0, "F", "pixels are multiplied by it: a number or 1/255 [1/255]", preprocessing},
    {"offset", MR_NUMBER, RUNS, AT(offset), -1e9, 1e9, "F", "and this is added [0]", preprocessing},
    {"interpolation", MR_TEXT, RUNS, AT(interpolation), 0, 0, "NAME",
     "as Pillow's, or TensorFlow's [nearest]", preprocessing},
    {"dct-scaling", MR_FLAG, RUNS, AT(dct_scaling), 0, 0, NULL, "let the JPEG decoder shrink large images", preprocessing},
    {"override-preprocessing", MR_FLAG, RUNS, AT(override_preprocessing), 0, 0, NULL,
     "the options above win over what the model file says", preprocessing},

    {"arch", MR_TEXT, TRAIN | PREDICT | MR_FOR_EVALUATE | MR_READS_JSON, AT(arch), 0, 0, "NAME|FILE.json",
     "an architecture as Keras's to_json() writes it, or a built-in one [resnet]", model},
    {"stages", MR_TEXT, TRAIN | MR_OF_BUILT_IN, AT(stages), 0, 0, "N,N,…", "resnet: blocks per stage [2,2,3]; cnn: convolutions per block [2,2,2]", model},
    {"filters", MR_TEXT, TRAIN | MR_OF_BUILT_IN, AT(filters), 0, 0, "N,N,…", "resnet: of the stem and each stage [32,64,128,256]; cnn: of each block [32,64,128]", model},
    {"regularization", MR_NUMBER, TRAIN | MR_OF_BUILT_IN, AT(regularization), 0, 1e3, "F", "resnet: L2 of stem and classifier [0.0005]; cnn: of all kernels [0]", model},
    {"alpha", MR_NUMBER, TRAIN | MR_OF_BUILT_IN, AT(alpha), .05, 8, "F", "mobilenet_v2: width multiplier [1]", model},
    {"dropout", MR_NUMBER, TRAIN | MR_OF_BUILT_IN, AT(dropout), 0, .99, "F", "cnn: rate in front of the last layer [0.5]", model},
    {"batchnorm-momentum", MR_NUMBER, TRAIN, AT(batchnorm_momentum), 0, .99999, "F",
     "of BatchNormalization's moving statistics [built-in: at most the architecture's, to fit the run's length; else the model's]", model},
    {"weights", MR_TEXT, RUNS | MR_READS, AT(weights), 0, 0, "FILE", "loads weights into the architecture", model},
    {"from", MR_TEXT, TRAIN | MR_READS | MR_MODEL, AT(from), 0, 0, "MODEL", "starts from a whole model", model},
    {"new-head", MR_FLAG, TRAIN, AT(new_head), 0, 0, NULL, "replace the last layer by one for the data's classes", model},
    {"freeze", MR_LIST, TRAIN, AT(freeze), 0, 0, "PATTERN", "layers (or models) by name, as in 'conv*', that are not trained; repeatable",
     model},
    {"unfreeze", MR_LIST, TRAIN, AT(unfreeze), 0, 0, "PATTERN", "layers that were frozen and are trained now; done before --freeze",
     model},
    {"freeze-until", MR_TEXT, TRAIN, AT(freeze_until), 0, 0, "LAYER", "all layers in front of this one are not trained", model},
    {"activation", MR_TEXT, PREDICT | MR_FOR_EVALUATE | MR_OF_IMAGES, AT(activation), 0, 0, "NAME",
     "softmax, sigmoid: what makes probabilities of the outputs; linear: they are plain numbers [the model's]", model},
    {"model", MR_TEXT, TRAIN | MR_WRITES | MR_MODEL | MR_NO_WEIGHT, AT(model), 0, 0, "FILE", "where the trained model goes (.h5, .keras)", model},
    {"model", MR_TEXT, PREDICT | MR_FOR_EVALUATE | MR_READS, AT(model), 0, 0, "FILE", "the model file (.h5, .keras)", model},

    {"epochs", MR_INT, TRAIN | MR_MAY_CHANGE, AT(epochs), 1, 1e6, "N", "passes over the training data [25]", training},
    {"batch-size", MR_INT, RUNS, AT(batch_size), 1, 65536, "N", "images per step [32]", training},
    {"seed", MR_INT64, TRAIN | MR_FOR_SAMPLE | PREDICT, AT(seed), 0, 9e15, "N", "of all randomness [1]", training},
    {"sync-batchnorm", MR_FLAG, TRAIN, AT(sync_batchnorm), 0, 0, NULL, "under mpirun: BatchNormalization goes by the samples of all ranks", training},
    {"no-shuffle", MR_FLAG, TRAIN, AT(no_shuffle), 0, 0, NULL, "take the samples in their order", training},
    {"loss", MR_TEXT, SEES, AT(loss), 0, 0, "NAME",
     "[the model's; binary_crossentropy for two classes, categorical_crossentropy for more]", training},
    {"label-smoothing", MR_NUMBER, TRAIN, AT(label_smoothing), 0, 1, "F", "[0]", training},
    {"class-weight", MR_TEXT, TRAIN, AT(class_weight), 0, 0, "balanced|NAME=F,…", "how much the samples of a class count", training},
    {"optimizer", MR_TEXT, TRAIN, AT(optimizer), 0, 0, "NAME", "[the model's or the architecture's; sgd for others, adam with --new-head]",
     optimizer},
    {"learning-rate", MR_NUMBER, TRAIN, AT(learning_rate), 0, huge, "F", "[the model's or the architecture's; sgd 0.1, others as in Keras]", optimizer},
    {"decay", MR_NUMBER, TRAIN, AT(decay), 0, huge, "F", "inverse time decay per step [sgd with its own rate: 0.1/epochs]", optimizer},
    {"momentum", MR_NUMBER, TRAIN, AT(momentum), 0, 1, "F", "sgd, rmsprop [sgd 0.9]", optimizer},
    {"nesterov", MR_FLAG, TRAIN, AT(nesterov), 0, 0, NULL, "sgd", optimizer},
    {"beta-1", MR_NUMBER, TRAIN, AT(beta_1), 0, 1, "F", "adam, adamw, adamax, nadam [0.9]", optimizer},
    {"beta-2", MR_NUMBER, TRAIN, AT(beta_2), 0, 1, "F", "adam, adamw, adamax, nadam [0.999]", optimizer},
    {"epsilon", MR_NUMBER, TRAIN, AT(epsilon), 0, 1e3, "F", "all but sgd [1e-7]", optimizer},
    {"rho", MR_NUMBER, TRAIN, AT(rho), 0, 1, "F", "rmsprop [0.9], adadelta [0.95]", optimizer},
    {"amsgrad", MR_FLAG, TRAIN, AT(amsgrad), 0, 0, NULL, "adam, adamw", optimizer},
    {"centered", MR_FLAG, TRAIN, AT(centered), 0, 0, NULL, "rmsprop", optimizer},
    {"initial-accumulator-value", MR_NUMBER, TRAIN, AT(initial_accumulator_value), 0, 1e9, "F", "adagrad [0.1]", optimizer},
    {"weight-decay", MR_NUMBER, TRAIN, AT(weight_decay), 0, 1e9, "F", "decoupled, times the rate, per step [adamw 0.004]", optimizer},
    {"clipnorm", MR_NUMBER, TRAIN, AT(clipnorm), 0, 1e30, "F", "most norm of each variable's gradient", optimizer},
    {"global-clipnorm", MR_NUMBER, TRAIN, AT(global_clipnorm), 0, 1e30, "F", "most norm of all gradients together", optimizer},
    {"clipvalue", MR_NUMBER, TRAIN, AT(clipvalue), 0, 1e30, "F", "most size of a gradient's element", optimizer},

    {"schedule", MR_TEXT, TRAIN, AT(schedule), 0, 0, "NAME",
     "how the rate changes, from the learning rate on [the architecture's, with any --learning-rate; --decay 0 and --reduce-lr-on-plateau: none]", schedule},
    {"decay-steps", MR_TEXT, TRAIN, AT(decay_steps), 0, 0, "N", "[cosine, polynomial: the whole run; others: 1epoch]", schedule},
    {"decay-rate", MR_NUMBER, TRAIN, AT(decay_rate), 0, huge, "F", "exponential, step, inverse-time", schedule},
    {"staircase", MR_FLAG, TRAIN, AT(staircase), 0, 0, NULL, "exponential, inverse-time: whole periods only", schedule},
    {"end-learning-rate", MR_NUMBER, TRAIN, AT(end_learning_rate), 0, huge, "F", "polynomial [0.0001]", schedule},
    {"power", MR_NUMBER, TRAIN, AT(power), 0, 1e6, "F", "polynomial [1]", schedule},
    {"cycle", MR_FLAG, TRAIN, AT(cycle), 0, 0, NULL, "polynomial: start over beyond the decay steps", schedule},
    {"boundaries", MR_TEXT, TRAIN, AT(boundaries), 0, 0, "N,N,…", "piecewise: where the rate changes", schedule},
    {"values", MR_TEXT, TRAIN, AT(values), 0, 0, "F,F,…", "piecewise: the rates, one more than boundaries", schedule},
    {"schedule-alpha", MR_NUMBER, TRAIN, AT(schedule_alpha), 0, 1, "F", "cosine: share of the rate that is left at the end [0]",
     schedule},
    {"warmup-steps", MR_TEXT, TRAIN, AT(warmup_steps), 0, 0, "N", "cosine: rise to the learning rate first, from 0", schedule},
    {"warmup-target", MR_NUMBER, TRAIN, AT(warmup_target), 0, huge, "F",
     "cosine: rise from the learning rate to this instead, as in Keras", schedule},
    {"first-decay-steps", MR_TEXT, TRAIN, AT(first_decay_steps), 0, 0, "N", "cosine-restarts: the first period", schedule},
    {"t-mul", MR_NUMBER, TRAIN, AT(t_mul), 1e-3, 1e3, "F", "cosine-restarts: how periods grow [2]", schedule},
    {"m-mul", MR_NUMBER, TRAIN, AT(m_mul), 0, 1e3, "F", "cosine-restarts: how their first rates change [1]", schedule},

    {"early-stopping", MR_INT, TRAIN, AT(early_stopping), 1, 1e6, "N", "end after N epochs without improvement, with the best weights",
     callbacks},
    {"no-restore-best", MR_FLAG, TRAIN, AT(no_restore_best), 0, 0, NULL, "early stopping leaves the last weights", callbacks},
    {"reduce-lr-on-plateau", MR_INT, TRAIN, AT(reduce_lr_on_plateau), 1, 1e6, "N", "reduce the rate after N epochs without improvement",
     callbacks},
    {"plateau-factor", MR_NUMBER, TRAIN, AT(plateau_factor), 0, .9999, "F", "by this factor [0.1]", callbacks},
    {"plateau-cooldown", MR_INT, TRAIN, AT(plateau_cooldown), 0, 1e6, "N", "epochs after that which do not count [0]", callbacks},
    {"min-lr", MR_NUMBER, TRAIN, AT(min_lr), 0, huge, "F", "never below this [0]", callbacks},
    {"monitor", MR_TEXT, TRAIN, AT(monitor), 0, 0, "METRIC", "what both look at [val_loss, else loss]; CLASS is a class's name", callbacks},
    {"min-delta", MR_NUMBER, TRAIN, AT(min_delta), 0, huge, "F", "least improvement [early stopping 0, plateau 0.0001]", callbacks},
    {"keep-best", MR_TEXT, TRAIN, AT(keep_best), 0, 0, "METRIC", "the weights at the end are those of the best epoch by this", callbacks},

    {"rotation-range", MR_NUMBER, TRAIN, AT(rotation_range), 0, 360, "DEG", "random rotations", augmentation},
    {"width-shift-range", MR_NUMBER, TRAIN, AT(width_shift_range), 0, 1e5, "F", "share of the width (below 1) or pixels", augmentation},
    {"height-shift-range", MR_NUMBER, TRAIN, AT(height_shift_range), 0, 1e5, "F", "share of the height (below 1) or pixels",
     augmentation},
    {"shear-range", MR_NUMBER, TRAIN, AT(shear_range), 0, 360, "DEG", "shear angle", augmentation},
    {"zoom-range", MR_TEXT, TRAIN, AT(zoom_range), 0, 0, "F|A,B", "zoom between 1-F and 1+F, or A and B", augmentation},
    {"horizontal-flip", MR_FLAG, TRAIN, AT(horizontal_flip), 0, 0, NULL, "mirror half of the images", augmentation},
    {"vertical-flip", MR_FLAG, TRAIN, AT(vertical_flip), 0, 0, NULL, "turn half of them upside down", augmentation},
    {"brightness-range", MR_TEXT, TRAIN, AT(brightness_range), 0, 0, "A,B", "factor of the brightness", augmentation},
    {"channel-shift-range", MR_NUMBER, TRAIN, AT(channel_shift_range), 0, 255, "F", "shift of the intensities", augmentation},
    {"fill-mode", MR_TEXT, TRAIN, AT(fill_mode), 0, 0, "MODE", "what is beyond the image [nearest]", augmentation},
    {"cval", MR_NUMBER, TRAIN, AT(cval), -1e6, 1e6, "F", "the constant of fill mode constant [0]", augmentation},

    {"plot", MR_TEXT, TRAIN | MR_WRITES | MR_NO_WEIGHT | MR_PICTURE, AT(plot), 0, 0, "FILE", "loss and accuracy over the epochs, as .png, .svg or .pdf", out},
    {"history", MR_TEXT, TRAIN | MR_WRITES | MR_NO_WEIGHT, AT(history), 0, 0, "FILE.csv", "a row per epoch", out},
    {"tensorboard", MR_TEXT, TRAIN | MR_MAKES | MR_NO_WEIGHT, AT(tensorboard), 0, 0, "DIR", "the history's numbers as scalars for TensorBoard", out},
    {"step-log", MR_TEXT, TRAIN | MR_WRITES | MR_NO_WEIGHT, AT(step_log), 0, 0, "FILE.csv", "a row per step: step,loss", out},
    {"stats", MR_TEXT, RUNS | MR_WRITES | MR_NO_WEIGHT, AT(stats), 0, 0, "FILE.json", "what each stage did and waited for; each checkpoint", out},

    {"checkpoint-dir", MR_TEXT, TRAIN | MR_MAKES | MR_OF_START, AT(checkpoint_dir), 0, 0, "DIR", "where snapshots go", checkpoints},
    {"checkpoint-every", MR_TEXT, TRAIN | MR_NO_WEIGHT, AT(checkpoint_every), 0, 0, "1epoch|200steps|10min", "also several: 1epoch,10min [1epoch]",
     checkpoints},
    {"keep", MR_LIST, TRAIN | MR_NO_WEIGHT, AT(keep), 0, 0, "N|best|last", "N: newest checkpoints kept, besides the best epoch's [3]; best or last: the epoch whose weights --model gets [last]", checkpoints},
    {"resume", MR_FLAG, TRAIN | MR_OF_START, AT(resume), 0, 0, NULL, "continue from the newest whole checkpoint in --checkpoint-dir [MODEL.interrupted]", checkpoints},

    {"overwrite", MR_FLAG, TRAIN | MR_OF_START, AT(overwrite), 0, 0, NULL, "a run that ends early replaces even a finished --model", checkpoints},

    {"output", MR_TEXT, PREDICT | MR_WRITES | MR_ROWS, AT(output), 0, 0, "FILE", ".csv, .jsonl or .h5 [CSV on standard output]", inference},
    {"resume", MR_FLAG, PREDICT | MR_OF_IMAGES, AT(resume), 0, 0, NULL, "continue an --output that was interrupted", inference},
    {"overwrite", MR_FLAG, PREDICT, AT(overwrite), 0, 0, NULL, "replace an --output that is there at once, not when the run is complete", inference},
    {"csv-safe", MR_FLAG, PREDICT | MR_OF_IMAGES, AT(csv_safe), 0, 0, NULL, "CSV: put ' in front of names that begin with = + - @ ' or a control character", inference},
    {"unordered", MR_FLAG, PREDICT | MR_OF_IMAGES | MR_ALONE, AT(unordered), 0, 0, NULL, "rows as they come: no batch waits for a slow file", inference},
    {"layer", MR_LIST, PREDICT, AT(layer), 0, 0, "NAME", "write what this layer puts out, too", inference},
    {"threshold", MR_LIST, PREDICT | MR_OF_IMAGES | MR_OF_CLASSES, AT(threshold), 0, 0, "F|CLASS=F",
     "predict a class only (CLASS=F: if and only) if it is that probable", inference},
    {"move-to", MR_TEXT, PREDICT | MR_PLACES | MR_OF_IMAGES | MR_OF_CLASSES | MR_ALONE, AT(move_to), 0, 0, "DIR", "move each file to DIR/CLASS", inference},
    {"link-to", MR_TEXT, PREDICT | MR_PLACES | MR_OF_IMAGES | MR_OF_CLASSES | MR_ALONE, AT(link_to), 0, 0, "DIR", "link each file into DIR/CLASS", inference},
    {"top", MR_INT, PREDICT | MR_OF_IMAGES | MR_OF_CLASSES, AT(top), 1, 1000, "K", "list the K most probable classes", inference},
    {"top", MR_INT, TRAIN, AT(top), 1, 1000, "K", "also count as right when the class is among the K most probable", training},
    {"montage", MR_TEXT, PREDICT | MR_WRITES | MR_PICTURE | MR_OF_IMAGES | MR_OF_CLASSES | MR_ALONE, AT(montage), 0, 0, "FILE", "a picture (.png, .svg, .pdf) of sampled images with their labels", inference},
    {"montage-count", MR_INT, PREDICT | MR_OF_IMAGES, AT(montage_count), 1, 400, "N", "images in it [16]", inference},

    {"count", MR_INT, MR_FOR_SAMPLE, AT(count), 12, 1e7, "N", "images to draw [600]", data},

    {"threads", MR_INT, RUNS | MR_OF_START, AT(threads), 1, 1024, "N", "that compute [all that this process may use]", everywhere},
    {"decode-threads", MR_INT, RUNS | MR_OF_START, AT(decode_threads), 1, 1024, "N", "that decode images", everywhere},
    {"precision", MR_TEXT, RUNS, AT(precision), 0, 0, "NAME",
     "float32, or mixed_bfloat16: fast where the processor has AMX [the model's]", everywhere},
    {"on-error", MR_TEXT, RUNS | MR_NO_WEIGHT, AT(on_error), 0, 0, "skip|fail", "what a bad image does [skip]", everywhere},
    {"max-errors", MR_TEXT, RUNS | MR_NO_WEIGHT, AT(max_errors), 0, 0, "N|P%", "how many may be bad [5%]", everywhere},
    {"max-pixels", MR_INT64, RUNS, AT(max_pixels), 1, 4e9, "N", "larger images are refused [178956970]", everywhere},
    {"memory-limit", MR_INT64, RUNS | MR_NO_WEIGHT, AT(memory_limit), 1 << 20, 9e15, "BYTES", "for the activations", everywhere},
    {"dialect", MR_TEXT, MR_FOR_CONVERT, AT(dialect), 0, 0, "NAME", "of an .h5: keras2 or keras3 [keras3]", out},
    {"no-optimizer", MR_FLAG, MR_FOR_CONVERT, AT(no_optimizer), 0, 0, NULL, "leave the training state out", out},
    {"json", MR_FLAG, MR_FOR_SUMMARY | MR_FOR_EVALUATE | MR_FOR_VERIFY, AT(json), 0, 0, NULL, "print the result as JSON", out},
    {"sandbox", MR_FLAG, MR_FOR_ALL | MR_OF_START, AT(sandbox), 0, 0, NULL, "read nothing but the inputs (writing elsewhere, exec and network are off anyway)", everywhere},
    {"no-sandbox", MR_FLAG, MR_FOR_ALL | MR_OF_START, AT(no_sandbox), 0, 0, NULL, "do not sandbox the process", everywhere},
    {"quiet", MR_FLAG, MR_FOR_ALL | MR_OF_START, AT(quiet), 0, 0, NULL, "no progress, only warnings and errors", everywhere},
    {"log-json", MR_FLAG, MR_FOR_ALL | MR_OF_START, AT(log_json), 0, 0, NULL, "log lines as JSON objects", everywhere},
    {"help", MR_FLAG, MR_FOR_ALL | MR_OF_START, AT(help), 0, 0, NULL, "this text; also -h", everywhere},
};
const int mr_option_count = sizeof mr_options / sizeof *mr_options;

const mr_operand mr_operands[] = {
    {PREDICT | MR_PICKS, 0},
    {MR_FOR_SUMMARY | MR_FOR_VERIFY | MR_READS, 0},
    {MR_FOR_CONVERT | MR_READS | MR_MODEL, 1},
    {MR_FOR_CONVERT | MR_WRITES | MR_MODEL, 0},
    {MR_FOR_SAMPLE | MR_MAKES, 0},
};
const int mr_operand_count = sizeof mr_operands / sizeof *mr_operands;

void mr_cli_default(mr_cli *c)
{
    *c = (mr_cli){.epochs = 25, .batch_size = 32, .seed = 1, .regularization = -1, .dropout = -1, .plateau_factor = .1, .learning_rate = -1, .decay = -1,
                  .montage_count = 16, .count = 600, .max_pixels = 178956970 /* Pillow's decompression bomb limit, doubled */};
}
