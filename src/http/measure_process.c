/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process as the kernel sees it, under the names that every exporter uses for it.
 *
 * Source: proc(5), /proc/PID/stat: fields are counted behind the last ')', since a name may hold
 * anything. https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
 */
#include <dirent.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metric.h"
#include "http/measure.h"

static const struct metric_info infos[] = {
    { .name = "process_start_time_seconds",
      .help = "When this process began, in seconds since 1970 UTC.",
      .type = METRIC_GAUGE,
      .unit = METRIC_MICRO },
    { .name = "process_cpu_seconds_total",
      .help = "CPU time of this process, user and system; of the lanes' processes nothing.",
      .type = METRIC_COUNTER,
      .unit = METRIC_MICRO },
    { .name = "process_resident_memory_bytes", .help = "Memory in use.", .type = METRIC_GAUGE },
    { .name = "process_virtual_memory_bytes", .help = "Address space.", .type = METRIC_GAUGE },
    { .name = "process_open_fds", .help = "Open file descriptors.", .type = METRIC_GAUGE },
    { .name = "process_max_fds", .help = "File descriptors it may have.", .type = METRIC_GAUGE },
    { .name = "process_threads", .help = "Threads.", .type = METRIC_GAUGE },
};
enum { START, CPU, RESIDENT, VIRTUAL, OPEN_FDS, MAX_FDS, THREADS };

static void set(int which, int64_t value)
{
    metric_set(metric_only(metric_family(metrics_here(), &infos[which])), value);
}

static bool read_text(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t len = fread(out, 1, size - 1, f);
    out[len] = '\0';
    fclose(f);
    return len > 0;
}

/* Wall clock of the machine's start; the kernel tells it in seconds. */
static int64_t machine_start_us(void)
{
    struct timespec up;
    return clock_gettime(CLOCK_BOOTTIME, &up) == 0
               ? wall_us() - (int64_t)up.tv_sec * US_PER_S - up.tv_nsec / 1000
               : wall_us();
}

static int64_t started_us; /* worked out once: the wall clock may be set later */

static void find_start(void)
{
    char text[1024];
    const char *at = read_text("/proc/self/stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    long long ticks = 0;
    enum { BEFORE = 19 }; /* fields between the name and the start */
    for (int i = 0; at && i <= BEFORE; i++)
        at = strchr(at + 1, ' ');
    if (at && sscanf(at, "%lld", &ticks) == 1)
        started_us = machine_start_us() + ticks * US_PER_S / sysconf(_SC_CLK_TCK);
    else
        started_us = wall_us();
}

static void set_stat(void)
{
    char text[1024];
    long long threads, virtual_bytes, resident_pages;
    const char *at = read_text("/proc/self/stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    enum { BEFORE = 17 }; /* fields between the name and the number of threads */
    for (int i = 0; at && i <= BEFORE; i++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, "%lld %*s %*s %lld %lld", &threads, &virtual_bytes, &resident_pages) != 3)
        return;
    set(THREADS, threads);
    set(VIRTUAL, virtual_bytes);
    set(RESIDENT, resident_pages * sysconf(_SC_PAGESIZE));
}

static void set_files(void)
{
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &most) == 0)
        set(MAX_FDS, most.rlim_cur == RLIM_INFINITY ? INT64_MAX : (int64_t)most.rlim_cur);
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return;
    int64_t count = -3; /* ".", ".." and the one that looks */
    while (readdir(folder))
        count++;
    closedir(folder);
    set(OPEN_FDS, count);
}

void measure_process(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_start);
    set(START, started_us);
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) == 0)
        set(CPU, (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_S + used.ru_utime.tv_usec +
                     used.ru_stime.tv_usec);
    set_stat();
    set_files();
}
