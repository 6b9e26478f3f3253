/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setup/preprocess.h"

#include "cli/option/names.h"

#include <stdio.h>
#include <string.h>

/* The options over what is in P. */
static int apply_options(mr_preprocess *p, const mr_cli *c, mr_error *e)
{
    int status = c->image_size ? mr_parse_size("image-size", c->image_size, &p->height, &p->width, e) : 0;
    if (!status && c->rescale)
        status = mr_parse_quotient("rescale", c->rescale, &p->rescale, e);
    if (!status && c->color_mode) {
        int mode = mr_color_mode_by_name(c->color_mode);
        if (mode < 0)
            status = mr_fail(e, MR_EUSAGE, "--color-mode: expected rgb or grayscale, got '%s'", c->color_mode);
        else
            p->color_mode = (mr_color_mode)mode;
    }
    if (!status && c->interpolation) {
        int f = mr_interpolation_by_name(c->interpolation);
        if (f < 0)
            status = mr_cli_unknown_name("interpolation", c->interpolation, e);
        else
            p->interpolation = (mr_interpolation)f;
    }
    if (mr_cli_given(c, "offset"))
        p->offset = c->offset;
    if (c->dct_scaling)
        p->dct_scaling = true;
    return status;
}

int mr_cli_new_contract(mr_preprocess *out, const mr_cli *c, int size, mr_error *e)
{
    *out = mr_preprocess_default();
    out->height = out->width = size;
    return apply_options(out, c, e);
}

const char *mr_cli_contract_text(const mr_preprocess *p, char *text, size_t size)
{
    snprintf(text, size, "%dx%d %s, %s%s, pixel * %.9g + %g", p->height, p->width,
             mr_color_mode_name(p->color_mode), mr_interpolation_name(p->interpolation),
             p->dct_scaling ? ", DCT scaling" : "", p->rescale, p->offset);
    return text;
}

static int from_contract(mr_preprocess *out, const mr_cli *c, const mr_model *m, mr_error *e)
{
    char text[160];
    *out = m->preprocess;
    int status = apply_options(out, c, e);
    const char *option = mr_preprocess_difference(&m->preprocess, out);
    if (!status && option && !c->override_preprocessing)
        status = mr_hint(e,
                         mr_fail(e, MR_EUSAGE,
                                 "--%s contradicts the preprocessing that the model was trained with: %s",
                                 option, mr_cli_contract_text(&m->preprocess, text, sizeof text)),
                         "leave the option out, or give --override-preprocessing too");
    return status;
}

/* Size and channels of a network that takes images; 0 where it does not. */
static bool image_input(const mr_model *m, int *height, int *width, int *channels)
{
    const mr_shape *s = &m->graph->node[m->graph->input[0]].shape;
    *height = *width = *channels = 0;
    if (s->rank != 4 || (s->dim[3] != 1 && s->dim[3] != 3))
        return false;
    *height = (int)s->dim[1];
    *width = (int)s->dim[2];
    *channels = (int)s->dim[3];
    return true;
}

void mr_cli_contract_of_input(mr_preprocess *p, const mr_cli *c, const mr_model *m)
{
    int height, width, channels;
    if (!image_input(m, &height, &width, &channels))
        return;
    if (!c->image_size) {
        p->height = height;
        p->width = width;
    }
    if (!c->color_mode)
        p->color_mode = (mr_color_mode)channels;
}

static int from_options(mr_preprocess *out, const mr_cli *c, const mr_model *m, bool needed, mr_error *e)
{
    int height, width, channels;
    bool image = image_input(m, &height, &width, &channels);
    *out = mr_preprocess_default();
    if (image) {
        out->height = height;
        out->width = width;
        out->color_mode = (mr_color_mode)channels;
    }
    if (needed && !c->rescale)
        return mr_hint(e, mr_fail(e, MR_EUSAGE, "the model says nothing about its preprocessing"),
                       "give --rescale F (1/255, or 1 where the network scales by itself), and --offset, "
                       "--interpolation, "
                       "--color-mode as in its training");
    return apply_options(out, c, e);
}

static int check_input(const mr_preprocess *p, const mr_model *m, mr_error *e)
{
    int height, width, channels;
    char text[96];
    bool image = image_input(m, &height, &width, &channels);
    const mr_node *n = &m->graph->node[m->graph->input[0]];
    if (!image)
        return mr_fail(e, MR_EINVAL,
                       "the model's input '%s' has shape %s: it takes no images of 1 or 3 channels",
                       n->layer->name, mr_shape_text(&n->shape, true, text, sizeof text));
    if (p->height != height || p->width != width || (int)p->color_mode != channels)
        return mr_hint(
            e,
            mr_fail(e, MR_EUSAGE, "images of %dx%d %s do not fit the model's input %s", p->height, p->width,
                    mr_color_mode_name(p->color_mode), mr_shape_text(&n->shape, true, text, sizeof text)),
            "--image-size %dx%d --color-mode %s does", height, width, channels == 3 ? "rgb" : "grayscale");
    return 0;
}

int mr_cli_model_contract(mr_preprocess *out, const mr_cli *c, const mr_model *m, bool needed, mr_error *e)
{
    int status = m->has_preprocess ? from_contract(out, c, m, e) : from_options(out, c, m, needed, e);
    bool arrays = c->arrays != NULL; /* of any shape: they are held against the input when they are used */
    return status || !needed || arrays ? status : check_input(out, m, e);
}
