/* SPDX-License-Identifier: Apache-2.0 */
/* Axes by their properties over many ranges; plots by reading the PNG back and looking for the lines'
 * colours. */
#include "tests/shared.h"

#include "io/draw/axis.h"
#include "io/draw/plot.h"
#include "base/random.h"
#include <cairo.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#define BLUE 0x0072b2u
#define ORANGE 0xd55e00u

static void check_ticks(const mr_axis *a, int most)
{
    assert_true(a->low < a->high && isfinite(a->low) && isfinite(a->high));
    assert_in_range(a->ticks, 1, most);
    for (int i = 0; i < a->ticks; i++) {
        double place = mr_axis_place(a, a->at[i]);
        assert_true(place >= -1e-6 && place <= 1 + 1e-6);
        assert_true(i == 0 || a->at[i] > a->at[i - 1]);
        assert_true(a->labels[i][0] != '\0');
        assert_true(i == 0 || strcmp(a->labels[i], a->labels[i - 1]) != 0);
    }
}

static void axes_of_any_range(void **state)
{
    (void)state;
    mr_philox g;
    mr_philox_init(&g, 3, MR_DRAW_TEST, 0, 0);
    for (int i = 0; i < 20000; i++) {
        double scale = pow(10, mr_philox_uniform(&g, -290, 290));
        double low = mr_philox_uniform(&g, -1, 1) * scale,
               span = pow(10, mr_philox_uniform(&g, -9, 3)) * scale;
        mr_axis a;
        mr_axis_linear(&a, low, low + span, INFINITY, 8);
        assert_true(a.low <= low && a.high >= low + span && (low < 0 || a.low >= 0));
        assert_in_range(a.ticks, 2, 10);
        mr_axis_linear(&a, low, low, INFINITY, 8);
        check_ticks(&a, 10);
        if (low > 0) {
            mr_axis_logarithmic(&a, low, fmin(low * pow(10, mr_philox_uniform(&g, 2, 20)), 1e300), 8);
            check_ticks(&a, 16);
        }
    }
}

static void axes_as_a_person_would(void **state)
{
    (void)state;
    mr_axis a;
    mr_axis_linear(&a, 0.57, 1, 1, 10);
    assert_true(a.high == 1);
    assert_string_equal(a.labels[a.ticks - 1], "1.00");
    assert_string_equal(a.labels[0], "0.55");
    mr_axis_counted(&a, 1, 25, 12);
    assert_int_equal(a.ticks, 5);
    assert_string_equal(a.labels[0], "5");
    assert_string_equal(a.labels[4], "25");
    mr_axis_counted(&a, 1, 1, 12);
    assert_int_equal(a.ticks, 1);
    assert_string_equal(a.labels[0], "1");
    mr_axis_logarithmic(&a, 0.5, 2e6, 10);
    assert_string_equal(a.labels[0], "1");
    assert_string_equal(a.labels[a.ticks - 1], "10⁶");
    mr_axis_linear(&a, 0, 4e9, INFINITY, 5);
    assert_string_equal(a.labels[1], "1×10⁹");
    mr_axis_linear(&a, -1, 1, INFINITY, 5);
    assert_string_equal(a.labels[a.ticks / 2], "0.0");
}

static char path[1024];

static cairo_surface_t *plot(mr_plot_panel *panels, int count)
{
    mr_error e = {0};
    mr_plot p = {"Title", "Epoch", 1, panels, count, 0, 0};
    assert_int_equal(mr_plot_write(&p, path, &e), 0);
    cairo_surface_t *s = cairo_image_surface_create_from_png(path);
    assert_int_equal(cairo_surface_status(s), CAIRO_STATUS_SUCCESS);
    assert_int_equal(cairo_image_surface_get_width(s), 1200);
    assert_int_equal(cairo_image_surface_get_height(s), 600);
    return s;
}

/* Equal but for antialiasing. */
static bool near(uint32_t pixel, uint32_t color)
{
    for (int shift = 0; shift < 24; shift += 8)
        if (abs((int)(pixel >> shift & 255) - (int)(color >> shift & 255)) > 40)
            return false;
    return true;
}

/* Pixels of COLOR in columns x0 … x1-1 below the legend; the mean row goes to *ROW. */
static int count_color(cairo_surface_t *s, uint32_t color, int x0, int x1, double *row)
{
    int found = 0;
    double sum = 0;
    for (int y = 90; y < 600; y++) {
        const uint32_t *line =
            (const uint32_t *)(const void *)(cairo_image_surface_get_data(s) +
                                             (ptrdiff_t)y * cairo_image_surface_get_stride(s));
        for (int x = x0; x < x1; x++)
            if (near(line[x], color)) {
                found++;
                sum += y;
            }
    }
    if (row)
        *row = found ? sum / found : -1;
    return found;
}

static void lines_go_where_the_values_go(void **state)
{
    (void)state;
    double loss[20], accuracy[20], worse[20];
    for (int i = 0; i < 20; i++) {
        loss[i] = 1.0 / (i + 1);
        worse[i] = loss[i] + 0.2;
        accuracy[i] = 1 - loss[i] / 2;
    }
    mr_plot_series l[2] = {{"training", loss, 20}, {"validation", worse, 20}};
    mr_plot_series a[2] = {{"training", accuracy, 20}, {"validation", NULL, 0}};
    mr_plot_panel panels[2] = {{"Loss", l, 2, true, 0}, {"Accuracy", a, 2, false, 1}};
    cairo_surface_t *s = plot(panels, 2);
    double left = 0, right = 0, other = 0;
    assert_true(count_color(s, BLUE, 0, 200, &left) > 50 && count_color(s, BLUE, 400, 600, &right) > 50);
    assert_true(right > left + 100);
    assert_true(count_color(s, ORANGE, 400, 600, &other) > 50);
    assert_true(other < right - 20);
    assert_true(count_color(s, BLUE, 600, 800, &left) > 50 && count_color(s, BLUE, 1000, 1200, &right) > 50);
    assert_true(right < left - 100);
    assert_int_equal(count_color(s, ORANGE, 600, 1200, NULL), 0);
    cairo_surface_destroy(s);
}

static void one_epoch_is_a_dot(void **state)
{
    (void)state;
    double one = 0.5;
    mr_plot_series series = {"training", &one, 1};
    mr_plot_panel panel = {"Loss", &series, 1, true, 0};
    cairo_surface_t *s = plot(&panel, 1);
    double row = 0;
    assert_in_range(count_color(s, BLUE, 560, 680, &row), 15, 80);
    assert_true(row > 250 && row < 400);
    assert_int_equal(count_color(s, BLUE, 0, 560, NULL) + count_color(s, BLUE, 680, 1200, NULL), 0);
    cairo_surface_destroy(s);
}

static void odd_values_are_gaps(void **state)
{
    (void)state;
    double values[9] = {1, 1, NAN, 0.5, -INFINITY, INFINITY, 1e301, 0.7, 0.7}, none[3] = {NAN, NAN, NAN};
    mr_plot_series series[2] = {{"training", values, 9}, {"validation", none, 3}};
    mr_plot_panel panel = {"Loss", series, 2, true, 0};
    cairo_surface_t *s = plot(&panel, 1);
    double row = 0;
    assert_true(count_color(s, BLUE, 0, 1200, NULL) > 100);
    assert_true(count_color(s, ORANGE, 0, 1200, &row) > 10 && row < 130); /* the crosses */
    cairo_surface_destroy(s);
    panel.series_count = 0;
    s = plot(&panel, 1);
    assert_int_equal(count_color(s, BLUE, 0, 1200, NULL), 0);
    cairo_surface_destroy(s);
}

static void huge_and_many(void **state)
{
    (void)state;
    static double values[2][1000];
    for (int i = 0; i < 1000; i++) {
        values[0][i] = i % 2 ? 1e300 : -1e300;
        values[1][i] = pow(10, -i / 4.0);
    }
    mr_plot_series series[2] = {{"a", values[0], 1000}, {"b", values[1], 1000}};
    mr_plot_panel panels[2] = {{"A", &series[0], 1, true, 0}, {"B", &series[1], 1, true, 0}};
    cairo_surface_t *s = plot(panels, 2);
    assert_true(count_color(s, BLUE, 0, 600, NULL) > 10000);
    double left = 0, right = 0;
    assert_true(count_color(s, BLUE, 700, 800, &left) > 50 && count_color(s, BLUE, 1080, 1180, &right) > 50);
    assert_true(right > left + 200);
    cairo_surface_destroy(s);
}

/* What a name may also stand for: a pipe gets the picture and stays a pipe. */
static void a_pipe_stays_a_pipe(void **state)
{
    (void)state;
    char fifo[1100];
    double one = 0.5;
    mr_plot_series series = {"training", &one, 1};
    mr_plot_panel panel = {"Loss", &series, 1, true, 0};
    mr_plot p = {NULL, NULL, 1, &panel, 1, 400, 300};
    unsigned char start[8] = {0};
    struct stat s;
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int fd = open(fifo, O_RDWR); /* keeps the pipe's 64 KB open at both ends: the small picture fits in */
    assert_int_equal(mr_plot_write(&p, fifo, NULL), 0);
    assert_int_equal(read(fd, start, 8), 8);
    assert_memory_equal(start, "\x89PNG\r\n\x1a\n", 8);
    assert_true(stat(fifo, &s) == 0 && S_ISFIFO(s.st_mode));
    close(fd);
    unlink(fifo);
}

/* The file FILE into BYTES; how many there are. */
static size_t read_file(const char *file, char *bytes, size_t most)
{
    FILE *f = fopen(file, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, most, f);
    fclose(f);
    return n;
}

/* By the extension; twice the same bytes, at whatever time; nothing for another one. */
static void formats(void **state)
{
    (void)state;
    static const struct {
        const char *extension, *start, *end;
    } kinds[] = {{".svg", "<?xml ", "</svg>\n"}, {".PDF", "%PDF-", "%%EOF\n"}, {".png", "\x89PNG", ""}};
    static char first[200000], second[200000];
    double values[] = {0.5, 0.25, 0.75};
    mr_plot_series series = {"training", values, 3};
    mr_plot_panel panel = {"Loss", &series, 1, true, 0};
    mr_plot p = {"Title", "Epoch", 1, &panel, 1, 400, 300};
    mr_error e = {0};
    char file[1100];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(file, sizeof file, "%s%s", path, kinds[i].extension);
        assert_int_equal(mr_plot_write(&p, file, &e), 0);
        size_t n = read_file(file, first, sizeof first), end = strlen(kinds[i].end);
        assert_memory_equal(first, kinds[i].start, strlen(kinds[i].start));
        assert_memory_equal(first + n - end, kinds[i].end, end);
        if (i == 1) /* the date is not the present one */
            assert_non_null(memmem(first, n, "/CreationDate (19700101000000Z)", 31));
        assert_int_equal(mr_plot_write(&p, file, &e), 0);
        assert_int_equal(read_file(file, second, sizeof second), n);
        if (i > 0) /* the SVG numbers its parts through all pictures of a process */
            assert_memory_equal(first, second, n);
        unlink(file);
    }
    snprintf(file, sizeof file, "%s.jpg", path);
    assert_int_equal(mr_plot_write(&p, file, &e), MR_EUSAGE);
    assert_non_null(strstr(e.message, ".jpg: unsupported format '.jpg'"));
    assert_int_equal(access(file, F_OK), -1);
}

static void errors_are_told(void **state)
{
    (void)state;
    double one = 0.5;
    mr_plot_series series = {"training", &one, 1};
    mr_plot_panel panel = {"Loss", &series, 1, true, 0};
    mr_plot p = {NULL, NULL, 1, &panel, 1, 400, 300};
    mr_error e = {0};
    assert_int_equal(mr_plot_write(&p, "/no/such/folder/x.png", &e), MR_ENOTFOUND);
    assert_string_equal(e.message, "cannot create /no/such/folder/x.png: No such file or directory");
    mr_error_clear(&e);
    assert_int_equal(mr_plot_write(&p, "/tmp", &e), MR_EIO);
    assert_string_equal(e.message, "cannot create /tmp: Is a directory");
    mr_error_clear(&e);
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(mr_plot_write(&p, "/dev/full", &e), MR_EIO);
        assert_string_equal(e.message, "cannot write /dev/full: No space left on device");
        assert_int_equal(access("/dev/full", W_OK), 0);
    }
    mr_error_clear(&e);
    p.width = 100;
    assert_int_equal(mr_plot_write(&p, path, &e), MR_EINVAL);
    p.width = 40000;
    assert_int_equal(mr_plot_write(&p, path, NULL), MR_ELIMIT);
    p.panel_count = 0;
    assert_int_equal(mr_plot_write(&p, path, NULL), MR_EINVAL);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(path, "/tmp/millrace-plot-XXXXXX");
    if (!mkdtemp(path))
        return -1;
    strcat(path, "/plot.png");
    return 0;
}

/* Fails where anything but the picture was left in the folder. */
static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    *strrchr(path, '/') = '\0';
    return rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_of_any_range),
        cmocka_unit_test(axes_as_a_person_would),
        cmocka_unit_test(lines_go_where_the_values_go),
        cmocka_unit_test(one_epoch_is_a_dot),
        cmocka_unit_test(odd_values_are_gaps),
        cmocka_unit_test(huge_and_many),
        cmocka_unit_test(a_pipe_stays_a_pipe),
        cmocka_unit_test(formats),
        cmocka_unit_test(errors_are_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
