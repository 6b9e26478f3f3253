/* SPDX-License-Identifier: Apache-2.0 */
/* A client of libmillrace: classifies the files whose names come on standard input, a line each.
 *
 *     cc classify.c -o classify $(pkg-config --cflags --libs millrace) -pthread
 *     find photos -name '*.jpg' | ./classify cells.h5            # the stream reads the files
 *     find photos -name '*.jpg' | ./classify cells.h5 --bytes    # or the client does: a network, an archive …
 *
 * Prints, tab between: path, class, and the probability of each class; or path, "-", and why there is none. */
#include <millrace/stream.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client {
    mr_stream *stream;
    int reads; /* the files itself */
};

/* The whole file, malloc'ed, or NULL. */
static void *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *bytes = NULL;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        long length = ftell(f);
        rewind(f);
        bytes = length < 0 ? NULL : malloc((size_t)length + 1);
        *size = bytes ? fread(bytes, 1, (size_t)length, f) : 0;
    }
    if (f)
        fclose(f);
    return bytes;
}

/* What goes in. A thread of its own, so that it may wait for room while results are taken out. */
static void *push_all(void *argument)
{
    struct client *c = argument;
    char line[4096];
    mr_error why = {0};
    int status = 0;
    while (!status && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        mr_input in = {.path = line};
        if (c->reads && (in.bytes = read_file(line, &in.size))) {
            in.release = free; /* the stream frees it, as soon as it is decoded: nothing is copied */
            in.release_context = (void *)in.bytes;
        }
        status = mr_stream_push(c->stream, &in, -1, &why);
        if (status && in.release)
            free(in.release_context);
    }
    if (status)
        fprintf(stderr, "classify: %s\n", why.message);
    mr_stream_finish(c->stream);
    return NULL;
}

static void print(const mr_result *r)
{
    printf("%s\t%s", r->path, r->class_name ? r->class_name : "-");
    for (int i = 0; i < r->classes; i++)
        printf("\t%.9g", r->probability[i]); /* nine digits tell every float from every other */
    printf("%s%s\n", r->error ? "\t" : "", r->message);
}

/* What comes out, in the order in which it went in. */
static int receive_all(mr_stream *stream, mr_error *why)
{
    mr_result *r;
    int status;
    while ((status = mr_stream_receive(stream, &r, -1, why)) == 1) {
        print(r);
        mr_result_free(r);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct client c = {.reads = argc == 3 && strcmp(argv[2], "--bytes") == 0};
    mr_error why = {0};
    pthread_t pusher;
    if (argc < 2 || (argc == 3 && !c.reads) || argc > 3) {
        fprintf(stderr, "usage: classify MODEL [--bytes] <LIST\n");
        return 2;
    }
    int status = mr_stream_open(&c.stream, argv[1], NULL, &why);
    if (!status && pthread_create(&pusher, NULL, push_all, &c) == 0) {
        status = receive_all(c.stream, &why);
        if (status)
            mr_stream_stop(c.stream); /* the pusher, too */
        pthread_join(pusher, NULL);
    }
    if (status)
        fprintf(stderr, "classify: %s%s%s\n", why.message, why.hint[0] ? "; " : "", why.hint);
    mr_stream_close(c.stream);
    return status != 0;
}
