/* SPDX-License-Identifier: Apache-2.0 */
/* A line with a delay between two network namespaces, for kernels without netem: a TAP device in each, and
 * every frame that goes in at one end comes out at the other so much later (and what poll and the scheduler
 * add: some 50 us). delay_line NAMESPACE NAMESPACE DEVICE MICROSECONDS        as root; runs until it is
 * killed */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES = 4096, LARGEST = 10000 };

struct way { /* a queue of frames under way */
    int from, to;
    unsigned first, count;
    struct frame {
        long long due; /* ns */
        int bytes;
        char data[LARGEST];
    } * frame; /* [FRAMES] */
};

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int open_end(const char *space, const char *device)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(path, sizeof path, "/run/netns/%s", space);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    int home = open(path, O_RDONLY | O_CLOEXEC), end = -1;
    if (home >= 0 && setns(home, CLONE_NEWNET) == 0)
        end = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (end < 0 || ioctl(end, TUNSETIFF, &request)) {
        perror(space);
        exit(1);
    }
    close(home);
    return end;
}

/* A full queue loses frames, as a line does. */
static void take(struct way *w, long long delay)
{
    while (w->count < FRAMES) {
        struct frame *f = &w->frame[(w->first + w->count) % FRAMES];
        ssize_t n = read(w->from, f->data, LARGEST);
        if (n <= 0)
            return;
        f->bytes = (int)n;
        f->due = now_ns() + delay;
        w->count++;
    }
}

static void give(struct way *w)
{
    for (; w->count && w->frame[w->first].due <= now_ns(); w->first = (w->first + 1) % FRAMES, w->count--)
        if (write(w->to, w->frame[w->first].data, (size_t)w->frame[w->first].bytes) < 0)
            continue; /* the device is down: lost */
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int a = open_end(argv[1], argv[3]), b = open_end(argv[2], argv[3]);
    long long delay = atoll(argv[4]) * 1000;
    struct way way[2] = {{.from = a, .to = b}, {.from = b, .to = a}};
    for (int i = 0; i < 2; i++)
        if (!(way[i].frame = calloc(FRAMES, sizeof *way[i].frame)))
            return 1;
    for (;;) {
        long long wait = 1000000000, now = now_ns();
        struct pollfd ends[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
        for (int i = 0; i < 2; i++)
            if (way[i].count && way[i].frame[way[i].first].due - now < wait)
                wait = way[i].frame[way[i].first].due - now;
        struct timespec t = {wait > 0 ? wait / 1000000000 : 0, wait > 0 ? wait % 1000000000 : 0};
        ppoll(ends, 2, &t, NULL);
        for (int i = 0; i < 2; i++) {
            take(&way[i], delay);
            give(&way[i]);
        }
    }
}
