/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/metric.h"

static const int64_t bounds[] = { 10, 15, 100, 5000, 1000000, 2500000 };

static const struct metric_info plain = { .name = "b_total",
                                          .help = "Plain.",
                                          .type = METRIC_COUNTER };
static const struct metric_info labelled = {
    .name = "c_total", .help = "Labelled.", .type = METRIC_COUNTER, .labels = { "x", "y" }
};
static const struct metric_info gauge = { .name = "a", .help = "Gauge.", .type = METRIC_GAUGE };
static const struct metric_info seconds = { .name = "d_seconds",
                                            .help = "Seconds.",
                                            .type = METRIC_HISTOGRAM,
                                            .unit = METRIC_MICRO,
                                            .bounds = bounds,
                                            .bound_count = COUNT_OF(bounds) };

static void assert_page(struct metrics *all, const char *expected)
{
    CLEANUP(buf_done) struct buf page = { 0 };
    metrics_write(all, &page);
    assert_string_equal(buf_str(&page).ptr, expected);
}

static void assert_has(struct metrics *all, const char *line, bool has)
{
    CLEANUP(buf_done) struct buf page = { 0 };
    metrics_write(all, &page);
    if ((strstr(buf_str(&page).ptr, line) != NULL) != has)
        fail_msg("%s: %s", has ? "missing" : "there", line);
}

TEST(a_registry_without_families_writes_nothing)
{
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    assert_page(all, "");
}

TEST(families_are_written_by_name_and_cells_by_their_values)
{
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    struct metric *c = metric_family(all, &labelled);
    metric_add(metric_at(c, "b", "a"), 3);
    metric_add(metric_at(c, "a", "b"), 2);
    metric_add(metric_at(c, "a", "a"), 1);
    metric_add(metric_only(metric_family(all, &plain)), 7);
    metric_set(metric_only(metric_family(all, &gauge)), -4);
    assert_page(all, "# HELP a Gauge.\n# TYPE a gauge\na -4\n"
                     "# HELP b_total Plain.\n# TYPE b_total counter\nb_total 7\n"
                     "# HELP c_total Labelled.\n# TYPE c_total counter\n"
                     "c_total{x=\"a\",y=\"a\"} 1\nc_total{x=\"a\",y=\"b\"} 2\n"
                     "c_total{x=\"b\",y=\"a\"} 3\n");
}

TEST(a_counter_stands_at_zero_and_a_gauge_only_once_it_was_set)
{
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    metric_family(all, &plain);
    struct metric_cell *g = metric_only(metric_family(all, &gauge));
    assert_page(all, "# HELP a Gauge.\n# TYPE a gauge\n"
                     "# HELP b_total Plain.\n# TYPE b_total counter\nb_total 0\n");
    metric_add(g, 0);
    assert_has(all, "\na 0\n", true);
}

TEST(what_is_hidden_is_left_out_until_it_is_set_again)
{
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    struct metric_cell *g = metric_only(metric_family(all, &gauge));
    metric_set(g, 5);
    metric_hide(g);
    assert_has(all, "\na 5\n", false);
    metric_set(g, 6);
    assert_has(all, "\na 6\n", true);
}

TEST(a_family_of_one_name_is_one_and_so_is_a_cell_of_equal_values)
{
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    struct metric *m = metric_family(all, &labelled);
    assert_ptr_equal(m, metric_family(all, &labelled));
    char made[] = "one"; /* by value, not by pointer */
    assert_ptr_equal(metric_at(m, "one", "two"), metric_at(m, made, "two"));
    assert_ptr_not_equal(metric_at(m, "one", "two"), metric_at(m, "two", "one"));
    assert_ptr_not_equal(metric_at(m, "ab", "c"), metric_at(m, "a", "bc"));
    assert_ptr_equal(metric_at(m, NULL, "x"), metric_at(m, "", "x"));
}

TEST(a_histogram_counts_each_value_in_every_bucket_it_fits)
{
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    struct metric_cell *c = metric_only(metric_family(all, &seconds));
    static const int64_t values[] = { 10, 11, 5000, 5001, 1500000, 9000000, -3 };
    for (size_t i = 0; i < COUNT_OF(values); i++)
        metric_observe(c, values[i]);
    assert_int_equal(metric_read(c), 7);
    assert_page(all, "# HELP d_seconds Seconds.\n# TYPE d_seconds histogram\n"
                     "d_seconds_bucket{le=\"1e-05\"} 2\n"
                     "d_seconds_bucket{le=\"1.5e-05\"} 3\n"
                     "d_seconds_bucket{le=\"0.0001\"} 3\n"
                     "d_seconds_bucket{le=\"0.005\"} 4\n"
                     "d_seconds_bucket{le=\"1\"} 5\n"
                     "d_seconds_bucket{le=\"2.5\"} 6\n"
                     "d_seconds_bucket{le=\"+Inf\"} 7\n"
                     "d_seconds_sum 10.510022\n"
                     "d_seconds_count 7\n");
}

TEST(millionths_are_written_with_all_their_digits_and_no_more)
{
    static const struct metric_info ratio = {
        .name = "r", .help = "R.", .type = METRIC_GAUGE, .unit = METRIC_MICRO
    };
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {
        { 0, "\nr 0\n" },
        { 1, "\nr 0.000001\n" },
        { 500000, "\nr 0.5\n" },
        { 1000000, "\nr 1\n" },
        { 20000000, "\nr 20\n" },
        { -1250000, "\nr -1.25\n" },
        { -1, "\nr -0.000001\n" },
        { INT64_MAX, "\nr 9223372036854.775807\n" },
        { INT64_MIN, "\nr -9223372036854.775808\n" },
    };
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    struct metric_cell *c = metric_only(metric_family(all, &ratio));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        metric_set(c, cases[i].value);
        assert_has(all, cases[i].text, true);
    }
}

TEST(values_and_help_are_escaped_and_made_utf8)
{
    static const struct metric_info odd = { .name = "o_total",
                                            .help = "Back\\slash, \"quote\",\nline.",
                                            .type = METRIC_COUNTER,
                                            .labels = { "l" } };
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    metric_at(metric_family(all, &odd), "a\\b\"c\nd\xff\xc3\xa9");
    assert_page(all, "# HELP o_total Back\\\\slash, \"quote\",\\nline.\n# TYPE o_total counter\n"
                     "o_total{l=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\xc3\xa9\"} 0\n");
}

TEST(beyond_the_most_cells_all_others_share_one)
{
    static const struct metric_info few = { .name = "f_total",
                                            .help = "Few.",
                                            .type = METRIC_COUNTER,
                                            .labels = { "l" },
                                            .cells_most = 2 };
    CLEANUP(metrics_free) struct metrics *all = metrics_new();
    struct metric *m = metric_family(all, &few);
    struct metric_cell *a = metric_at(m, "a");
    metric_add(a, 1);
    metric_add(metric_at(m, "b"), 2);
    metric_add(metric_at(m, "c"), 3);
    metric_add(metric_at(m, "d"), 4);
    assert_ptr_equal(metric_at(m, "a"), a);
    assert_page(all, "# HELP f_total Few.\n# TYPE f_total counter\n"
                     "f_total{l=\"a\"} 1\nf_total{l=\"b\"} 2\nf_total{l=\"other\"} 7\n");
}

/* ---- many threads ---- */

enum { THREADS = 4, ROUNDS = 200000, KINDS = 50, RACES = 500 };

struct crowd {
    struct metrics *all;
    atomic_bool reading;
    atomic_int arrived;
};

/* Until all threads are here, for the nth time: what comes next they do at one time. */
static void meet(struct crowd *crowd, int nth)
{
    atomic_fetch_add(&crowd->arrived, 1);
    while (atomic_load(&crowd->arrived) < nth * THREADS)
        sched_yield();
}

static void *count_much(void *arg)
{
    struct crowd *crowd = arg;
    struct metric *c = metric_family(crowd->all, &labelled);
    struct metric_cell *h = metric_only(metric_family(crowd->all, &seconds));
    meet(crowd, 1);
    for (int i = 0; i < ROUNDS; i++) {
        char kind[16];
        snprintf(kind, sizeof kind, "%d", i % KINDS);
        metric_add(metric_at(c, kind, "y"), 1);
        metric_observe(h, i);
    }
    return NULL;
}

/* In each page a histogram's count is its last bucket, and no counter ever goes back. */
static void *read_much(void *arg)
{
    struct crowd *crowd = arg;
    long long before = 0;
    while (atomic_load(&crowd->reading)) {
        CLEANUP(buf_done) struct buf page = { 0 };
        metrics_write(crowd->all, &page);
        const char *inf = strstr(buf_str(&page).ptr, "le=\"+Inf\"} ");
        const char *count = strstr(buf_str(&page).ptr, "d_seconds_count ");
        if (!inf || !count)
            continue;
        long long in_bucket = strtoll(inf + strlen("le=\"+Inf\"} "), NULL, 10);
        long long counted = strtoll(count + strlen("d_seconds_count "), NULL, 10);
        if (in_bucket != counted || counted < before)
            return arg;
        before = counted;
    }
    return NULL;
}

TEST(nothing_is_lost_when_many_threads_count_and_one_reads)
{
    struct crowd crowd = { .all = metrics_new() };
    pthread_t threads[THREADS], reader;
    void *wrong = NULL;
    atomic_init(&crowd.reading, true);
    pthread_create(&reader, NULL, read_much, &crowd);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count_much, &crowd);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&crowd.reading, false);
    pthread_join(reader, &wrong);
    assert_null(wrong);

    struct metric *c = metric_family(crowd.all, &labelled);
    for (int k = 0; k < KINDS; k++) {
        char kind[16];
        snprintf(kind, sizeof kind, "%d", k);
        assert_int_equal(metric_read(metric_at(c, kind, "y")), THREADS * ROUNDS / KINDS);
    }
    assert_int_equal(metric_read(metric_only(metric_family(crowd.all, &seconds))),
                     THREADS * ROUNDS);
    metrics_free(crowd.all);
}

static void *make_at_one_time(void *arg)
{
    static const struct metric_info raced = { .name = "raced_total",
                                              .help = "Raced.",
                                              .type = METRIC_COUNTER,
                                              .labels = { "l" },
                                              .cells_most = RACES };
    struct crowd *crowd = arg;
    for (int i = 1; i <= RACES; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        meet(crowd, i);
        metric_add(metric_at(metric_family(crowd->all, &raced), value), 1);
    }
    return NULL;
}

TEST(a_cell_that_many_threads_make_at_one_time_is_made_once)
{
    struct crowd crowd = { .all = metrics_new() };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, make_at_one_time, &crowd);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    CLEANUP(buf_done) struct buf page = { 0 };
    metrics_write(crowd.all, &page);
    int lines = 0;
    for (const char *at = page.ptr; (at = strstr(at, "\nraced_total{")); at++)
        lines++;
    assert_int_equal(lines, RACES);
    assert_has(crowd.all, "raced_total{l=\"1\"} 4\n", true);
    assert_has(crowd.all, "raced_total{l=\"500\"} 4\n", true);
    metrics_free(crowd.all);
}

RUN_TESTS(T(a_registry_without_families_writes_nothing),
          T(families_are_written_by_name_and_cells_by_their_values),
          T(a_counter_stands_at_zero_and_a_gauge_only_once_it_was_set),
          T(what_is_hidden_is_left_out_until_it_is_set_again),
          T(a_family_of_one_name_is_one_and_so_is_a_cell_of_equal_values),
          T(a_histogram_counts_each_value_in_every_bucket_it_fits),
          T(millionths_are_written_with_all_their_digits_and_no_more),
          T(values_and_help_are_escaped_and_made_utf8),
          T(beyond_the_most_cells_all_others_share_one),
          T(nothing_is_lost_when_many_threads_count_and_one_reads),
          T(a_cell_that_many_threads_make_at_one_time_is_made_once))
