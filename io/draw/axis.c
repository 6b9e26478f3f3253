/* SPDX-License-Identifier: Apache-2.0 */
#include "io/draw/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool mr_drawable(double value)
{
    return fabs(value) <= MR_AXIS_HUGE; /* false for NaN */
}

void mr_range_extend(double *low, double *high, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!mr_drawable(values[i]))
            continue;
        *low = values[i] < *low ? values[i] : *low;
        *high = values[i] > *high ? values[i] : *high;
    }
}

/* The least of 1, 2, 5 times a power of ten that is not below X (Heckbert, "Nice numbers for graph labels",
 * Graphics Gems, 1990, takes the nearest; not below keeps the number of ticks bounded). */
static double nice_step(double x)
{
    double power = pow(10, floor(log10(x)));
    double fraction = x / power;
    return power * (fraction <= 1 + 1e-9 ? 1 : fraction <= 2 + 1e-9 ? 2 : fraction <= 5 + 1e-9 ? 5 : 10);
}

/* Appends EXPONENT in superscript digits. */
static void append_superscript(char *label, int exponent)
{
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    char plain[16];
    snprintf(plain, sizeof plain, "%d", exponent);
    for (const char *p = plain; *p; p++) {
        const char *more = *p == '-' ? "⁻" : digits[*p - '0'];
        strncat(label, more, MR_TICK_LABEL_SIZE - 1 - strlen(label));
    }
}

/* VALUE times ten to the EXPONENT, with so many DECIMALS. */
static void scientific_label(char *label, double value, int decimals, int exponent)
{
    snprintf(label, MR_TICK_LABEL_SIZE, "%.*f×10", decimals, value);
    append_superscript(label, exponent);
}

/* Writes labels with as many decimals as STEP needs; very large and very small ones as a times ten to the b.
 */
static void label_ticks(mr_axis *a, double step)
{
    double largest = fmax(fabs(a->low), fabs(a->high));
    int step_exponent = (int)floor(log10(step) + 1e-9);
    int exponent = (int)floor(log10(largest) + 1e-9);
    bool scientific = exponent >= 6 || exponent < -3;
    int decimals = scientific ? exponent - step_exponent : -step_exponent;
    decimals = decimals < 0 ? 0 : decimals > 12 ? 12 : decimals;
    for (int i = 0; i < a->ticks; i++) {
        if (scientific && a->at[i] != 0)
            scientific_label(a->labels[i], a->at[i] / pow(10, exponent), decimals, exponent);
        else
            snprintf(a->labels[i], MR_TICK_LABEL_SIZE, "%.*f", scientific ? 0 : decimals, a->at[i]);
    }
}

/* Ticks at the multiples of STEP from FIRST to LAST. */
static void place_ticks(mr_axis *a, double first, double last, double step)
{
    a->ticks = 0;
    for (double i = ceil(first / step - 1e-9); i * step <= last + step * 1e-9 && a->ticks < MR_AXIS_MAX_TICKS;
         i++)
        a->at[a->ticks++] = i == 0 ? 0 : i * step; /* never -0 */
    label_ticks(a, step);
}

static int bounded(int wanted)
{
    return wanted < 2 ? 2 : wanted > MR_AXIS_MAX_TICKS - 2 ? MR_AXIS_MAX_TICKS - 2 : wanted;
}

void mr_axis_linear(mr_axis *a, double low, double high, double ceiling, int wanted)
{
    *a = (mr_axis){0};
    double span = high - low;
    /* A level line lies in the middle of a range of its own size; so does one that is level but for rounding.
     */
    bool level = span <= 1e-9 * fmax(fabs(low), fabs(high));
    double room = !level ? span * 0.05 : low != 0 ? fabs(low) * 0.1 : 1;
    a->low = low >= 0 && low - room < 0 ? 0 : low - room;
    a->high = high <= ceiling && high + room > ceiling ? ceiling : high + room;
    place_ticks(a, a->low, a->high, nice_step((a->high - a->low) / bounded(wanted)));
}

static void power_label(char *label, double value, int exponent)
{
    if (exponent >= -3 && exponent <= 4)
        snprintf(label, MR_TICK_LABEL_SIZE, "%g", value);
    else if (value / pow(10, exponent) < 1.5) {
        snprintf(label, MR_TICK_LABEL_SIZE, "10");
        append_superscript(label, exponent);
    } else
        scientific_label(label, value / pow(10, exponent), 0, exponent);
}

static void add_power_tick(mr_axis *a, int exponent, double factor)
{
    double value = factor * pow(10, exponent);
    if (value < a->low || value > a->high || a->ticks == MR_AXIS_MAX_TICKS)
        return;
    power_label(a->labels[a->ticks], value, exponent);
    a->at[a->ticks++] = value;
}

void mr_axis_logarithmic(mr_axis *a, double low, double high, int wanted)
{
    *a = (mr_axis){.logarithmic = true};
    double room = fmax(log10(high / low) * 0.05, 0.05);
    a->low = low * pow(10, -room);
    a->high = high * pow(10, room);
    int first = (int)floor(log10(a->low)), last = (int)ceil(log10(a->high));
    int every = (last - first) / bounded(wanted) + 1; /* decades per tick */
    for (int exponent = first; exponent <= last; exponent++) {
        if (exponent % every == 0)
            add_power_tick(a, exponent, 1);
        if ((last - first) * 2 <= wanted) {
            add_power_tick(a, exponent, 2);
            add_power_tick(a, exponent, 5);
        }
    }
}

void mr_axis_counted(mr_axis *a, double first, double last, int wanted)
{
    *a = (mr_axis){0};
    double room = last > first ? (last - first) * 0.02 : 0.5;
    a->low = first - room;
    a->high = last + room;
    place_ticks(a, first, last, fmax(1, nice_step((last - first + 1) / bounded(wanted))));
}

double mr_axis_place(const mr_axis *a, double value)
{
    if (a->logarithmic)
        return log(value / a->low) / log(a->high / a->low);
    return (value - a->low) / (a->high - a->low);
}
