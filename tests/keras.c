/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/keras.h"

#include "tests/files.h"

#include <dirent.h>

static void read_arrays(hid_t file, const char *prefix, int *count, float **values, mr_shape *shape)
{
    char name[32];
    for (*count = 0; *count < 8; ++*count) {
        mr_error e = {0};
        snprintf(name, sizeof name, "%s_%d", prefix, *count);
        if (!mr_hdf5_exists(file, name))
            return;
        assert_int_equal(mr_hdf5_shape(&shape[*count], file, name, &e), 0);
        size_t n = mr_shape_count(&shape[*count]);
        values[*count] = malloc(n * sizeof **values);
        assert_non_null(values[*count]);
        assert_int_equal(mr_hdf5_read_floats(values[*count], n, file, name, &e), 0);
    }
}

void keras_io_read(keras_io *io, const char *file)
{
    mr_error e = {0};
    hid_t f;
    memset(io, 0, sizeof *io);
    mr_hdf5_lock();
    assert_int_equal(mr_hdf5_open(&f, file, &e), 0);
    read_arrays(f, "input", &io->inputs, io->input, io->input_shape);
    read_arrays(f, "output", &io->outputs, io->output, io->output_shape);
    mr_hdf5_close(f, file, &e);
    mr_hdf5_unlock();
    assert_true(io->inputs > 0 && io->outputs > 0);
    io->batch = (int)io->input_shape[0].dim[0];
}

/* One array (N,C,H,W) to (N,H,W,C). */
static void to_channels_last(float *values, mr_shape *s)
{
    if (s->rank != 4)
        return;
    size_t n = (size_t)s->dim[0], c = (size_t)s->dim[1], area = (size_t)(s->dim[2] * s->dim[3]);
    float *turned = malloc(n * c * area * sizeof *turned);
    assert_non_null(turned);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++)
            for (size_t p = 0; p < area; p++)
                turned[(i * area + p) * c + k] = values[(i * c + k) * area + p];
    memcpy(values, turned, n * c * area * sizeof *turned);
    free(turned);
    *s = (mr_shape){4, {s->dim[0], s->dim[2], s->dim[3], (int64_t)c}};
}

void keras_io_channels_last(keras_io *io)
{
    for (int i = 0; i < io->inputs; i++)
        to_channels_last(io->input[i], &io->input_shape[i]);
    for (int i = 0; i < io->outputs; i++)
        to_channels_last(io->output[i], &io->output_shape[i]);
}

void keras_io_free(keras_io *io)
{
    for (int i = 0; i < 8; i++) {
        free(io->input[i]);
        free(io->output[i]);
    }
}

/* The golden inputs, or each number moved by one unit in its last place. */
static float *input_copy(const keras_io *io, int i, bool nudge)
{
    size_t n = mr_shape_count(&io->input_shape[i]);
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t k = 0; k < n; k++)
        x[k] = nudge ? nextafterf(io->input[i][k], k % 3 ? INFINITY : -INFINITY) : io->input[i][k];
    return x;
}

static double largest(const float *a, const float *b, size_t n)
{
    double d = 0;
    for (size_t i = 0; i < n; i++) {
        double one = b ? fabs((double)a[i] - b[i]) : fabs((double)a[i]);
        if (!(one <= d)) /* NaN is the largest */
            d = one;
    }
    return d;
}

static mr_plan *make_plan(mr_model *m, mr_team **team, int batch)
{
    mr_error e = {0};
    mr_plan *plan;
    assert_int_equal(mr_team_create(team, 1, &e), 0);
    int status = mr_plan_create(&plan, m->graph, *team,
                                (mr_plan_options){.kind = MR_PLAN_INFERENCE, .batch = batch}, &e);
    if (status)
        print_message("plan: %s\n", e.message);
    assert_int_equal(status, 0);
    return plan;
}

/* Outputs of M for IO's inputs one behind the other (malloc'ed); NULL where they are not as many numbers as the golden
 * ones. */
static float *run_model(mr_model *m, const keras_io *io, bool nudge)
{
    size_t count = 0, at = 0;
    bool fits = m->graph->inputs == io->inputs && m->graph->outputs == io->outputs;
    for (int i = 0; i < io->outputs && fits; i++) {
        size_t n = mr_shape_sample(&m->graph->node[m->graph->output[i]].shape) * (size_t)io->batch;
        fits = n == mr_shape_count(&io->output_shape[i]);
        count += n;
    }
    if (!fits)
        return NULL;
    mr_team *team;
    mr_plan *plan = make_plan(m, &team, io->batch);
    float *x[8], *out = malloc(count * sizeof *out);
    assert_non_null(out);
    for (int i = 0; i < io->inputs; i++)
        x[i] = input_copy(io, i, nudge);
    mr_plan_forward(plan, (const mr_real *const *)x, io->batch, 0);
    for (int i = 0; i < io->outputs; i++) {
        size_t n = mr_shape_count(&io->output_shape[i]);
        memcpy(out + at, mr_plan_output(plan, i), n * sizeof *out);
        at += n;
    }
    for (int i = 0; i < io->inputs; i++)
        free(x[i]);
    mr_plan_free(plan);
    mr_team_destroy(team);
    return out;
}

/* Of each output, A (as run_model gives them) against B or, where B is NULL, the golden ones: the largest difference,
 * over the largest golden number. */
static double compare(const keras_io *io, const float *a, const float *b)
{
    double worst = 0;
    for (int i = 0; i < io->outputs; i++) {
        size_t n = mr_shape_count(&io->output_shape[i]);
        double error = largest(a, b ? b : io->output[i], n) / (largest(io->output[i], NULL, n) + 1e-30);
        if (!(error <= worst))
            worst = error;
        a += n;
        b = b ? b + n : NULL;
    }
    return worst;
}

bool keras_agrees(mr_model *m, const keras_io *io, const char *name)
{
    float *out = run_model(m, io, false);
    double error = out ? compare(io, out, NULL) : INFINITY, moved = 0;
    bool agrees = error <= (m->graph->mixed ? 2e-2 : 1e-4); /* bfloat16 has 8 bits */
    if (!agrees && out) {
        float *nudged = run_model(m, io, true);
        moved = compare(io, out, nudged);
        agrees = error <= 16 * moved;
        free(nudged);
    }
    free(out);
    if (!agrees)
        print_message("%s: differs by %g of the largest output (by %g when inputs are nudged)\n", name, error,
                      moved);
    return agrees;
}

/* --- comparing ------------------------------------------------------------
 */

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && !strcmp(a, b));
}

static bool same_contract(const mr_model *a, const mr_model *b)
{
    if (a->has_preprocess != b->has_preprocess || a->classes != b->classes)
        return false;
    for (int i = 0; i < a->classes; i++)
        if (!same_text(a->class_names[i], b->class_names[i]))
            return false;
    return !a->has_preprocess ||
           (a->preprocess.height == b->preprocess.height && a->preprocess.width == b->preprocess.width &&
            a->preprocess.color_mode == b->preprocess.color_mode &&
            a->preprocess.interpolation == b->preprocess.interpolation &&
            a->preprocess.rescale == b->preprocess.rescale && a->preprocess.offset == b->preprocess.offset &&
            a->preprocess.dct_scaling == b->preprocess.dct_scaling);
}

static bool same_slots(const mr_model *a, const mr_model *b)
{
    if (a->has_optimizer_state != b->has_optimizer_state || a->slots != b->slots ||
        a->iterations != b->iterations)
        return false;
    for (int i = 0; i < a->slots; i++) {
        const mr_slot *s = &a->slot[i], *t = &b->slot[i];
        size_t n = s->param ? s->param->count : 1;
        if (strcmp(s->name, t->name) != 0 || !s->param != !t->param ||
            (s->param && strcmp(s->param->layer->name, t->param->layer->name)) ||
            memcmp(a->graph->state + s->offset, b->graph->state + t->offset, n * sizeof(mr_real)) != 0)
            return false;
    }
    return true;
}

/* The optimizer as it works: keys that are left out have their defaults. */
static bool same_optimizer(const json_t *a, const json_t *b)
{
    mr_optimizer *o = NULL, *p = NULL;
    bool both = !a == !b;
    if (a && b && !mr_optimizer_create(&o, a, NULL) && !mr_optimizer_create(&p, b, NULL)) {
        json_t *c = mr_optimizer_config(o), *d = mr_optimizer_config(p);
        json_object_del(json_object_get(c, "config"), "name");
        json_object_del(json_object_get(d, "config"), "name");
        both = json_equal(c, d);
        json_decref(c);
        json_decref(d);
    }
    mr_optimizer_free(o);
    mr_optimizer_free(p);
    return both;
}

/* null is as good as none. */
static bool same_member(const json_t *a, const json_t *b, const char *key)
{
    const json_t *v = json_object_get(a, key), *w = json_object_get(b, key);
    v = json_is_null(v) ? NULL : v;
    w = json_is_null(w) ? NULL : w;
    return (!v && !w) || json_equal(v, w);
}

const char *keras_difference(const mr_model *a, const mr_model *b)
{
    if (!json_equal(a->graph->config, b->graph->config))
        return "configuration";
    if (a->graph->weights != b->graph->weights ||
        memcmp(a->graph->state, b->graph->state, a->graph->weights * sizeof(mr_real)) != 0)
        return "weights";
    bool compiled = json_object_get(a->training, "optimizer_config"); /* without, no training is written */
    if (compiled != (b->training != NULL) ||
        !same_optimizer(json_object_get(a->training, "optimizer_config"),
                        json_object_get(b->training, "optimizer_config")))
        return "optimizer";
    if (compiled &&
        (!same_member(a->training, b->training, "loss") || !same_member(a->training, b->training, "metrics")))
        return "loss or metrics";
    if (!same_slots(a, b))
        return "optimizer state";
    if (!same_contract(a, b))
        return "contract";
    return json_equal(a->extra, b->extra) ? NULL : "extra attributes";
}

/* --- temporary files ------------------------------------------------------ */

/* In memory where there is such a folder: each file is flushed to the disk when it is written. */
static char folder[64];

void keras_temporary_clear(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
}

static void remove_own_folder(void)
{
    keras_temporary_clear();
    rmdir(folder);
}

const char *keras_temporary(const char *name)
{
    static char buffers[4][512];
    static int turn;
    if (!*folder) {
        strcpy(folder, access("/dev/shm", W_OK) ? "/tmp/millrace-keras-XXXXXX" : "/dev/shm/millrace-keras-XXXXXX");
        assert_non_null(mkdtemp(folder));
        atexit(remove_own_folder);
    }
    char *path = buffers[turn++ & 3];
    snprintf(path, sizeof buffers[0], "%s/%s", folder, name);
    return path;
}

/* --- models */

mr_model *keras_load(const char *path)
{
    mr_error e = {0};
    mr_model *m = NULL;
    if (mr_model_load(&m, path, &e))
        fail_msg("%s", e.message);
    return m;
}

void keras_save(const mr_model *m, const char *path, const mr_save_options *options)
{
    mr_error e = {0};
    if (mr_model_save(m, path, options, &e))
        fail_msg("%s", e.message);
}

const char *keras_copy(const char *shared, const char *name)
{
    size_t size = 0;
    uint8_t *bytes = read_file(shared_or_skip(shared), &size);
    const char *path = keras_temporary(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    free(bytes);
    return path;
}

/* --- HDF5 by hand */

hid_t keras_open_to_write(const char *path)
{
    mr_hdf5_lock();
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(list, H5F_CLOSE_STRONG);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, list);
    H5Pclose(list);
    assert_true(file >= 0);
    return file;
}

void keras_close_file(hid_t file)
{
    assert_true(H5Fclose(file) >= 0);
    mr_hdf5_unlock();
}

hid_t keras_new_file(const char *path)
{
    mr_error e = {0};
    hid_t file;
    mr_hdf5_lock();
    assert_int_equal(mr_hdf5_create(&file, path, &e), 0);
    return file;
}

void keras_write_attribute(hid_t object, const char *name, hid_t type, hid_t space, const void *value)
{
    hid_t a = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(a >= 0);
    assert_true(!value || H5Awrite(a, type, value) >= 0);
    H5Aclose(a);
    H5Sclose(space);
}

hid_t keras_string_type(size_t size, H5T_str_t padding, H5T_cset_t set)
{
    hid_t t = H5Tcopy(H5T_C_S1);
    H5Tset_size(t, size);
    H5Tset_strpad(t, padding);
    H5Tset_cset(t, set);
    return t;
}
