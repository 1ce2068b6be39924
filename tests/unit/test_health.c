/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /health and /health/ready when something is not well: which cannot be had from a live server, so
 * the service's answer is this file's.
 */
#include "base/clock.h"
#include "http/route.h"
#include "service/vitals.h"
#include "test.h"

static struct health_check check;
static bool minor; /* of the next check */
static int64_t age_us = 1000, asking_us;
static bool complete = true, draining;

void service_vitals(UNUSED struct service *s, UNUSED int64_t wait_us, struct vitals *ret)
{
    *ret = (struct vitals){ .count = 1, .complete = complete };
    ret->checks[0] = (struct vital_check){
        .check = check, .since_us = 1, .age_us = age_us, .asking_us = asking_us
    };
}

bool service_draining(UNUSED const struct service *s)
{
    return draining;
}

/* Not called; with these here the real service stays out of the program. */
struct service_watch *service_watch(UNUSED struct service *s, UNUSED const char *id,
                                    UNUSED service_watch_fn fn, UNUSED void *arg)
{
    return NULL;
}

void service_unwatch(UNUSED struct service *s, UNUSED struct service_watch *w)
{
}

static const struct route *route_of(const char *path)
{
    for (size_t i = 0; i < api_health_routes.count; i++)
        if (strcmp(api_health_routes.items[i].path, path) == 0)
            return &api_health_routes.items[i];
    fail_msg("no route %s", path);
    return NULL;
}

static int ask(const char *path, bool store_ok, bool layer_ok, struct buf *body)
{
    const struct layer layers[] = {
        { .name = "seccomp", .ok = true, .detail = "installed" },
        { .name = "cgroup", .ok = layer_ok, .detail = "v1", .fix = "mount it" }
    };
    struct context context = { .config = { .version = "1", .layers = layers, .layer_count = 2 } };
    struct request r = { .context = &context, .method = METHOD_GET };
    check = (struct health_check){ .name = "store",
                                   .ok = store_ok,
                                   .minor = minor,
                                   .detail = "the disk is full",
                                   .fix = "free some space" };
    route_of(path)->run(&r);
    arena_done(&r.arena);
    *body = r.reply.body;
    return r.reply.status;
}

static void assert_answer(const char *path, bool store_ok, bool layer_ok, int status,
                          const char *text)
{
    CLEANUP(buf_done) struct buf body = { 0 };
    assert_int_equal(ask(path, store_ok, layer_ok, &body), status);
    if (!strstr(body.ptr, text))
        fail_msg("%s: no %s in %s", path, text, body.ptr);
}

TEST(ready_says_what_is_missing)
{
    assert_answer("/health/ready", true, true, 200, "{\"status\":\"ready\",\"reasons\":[]}");
    assert_answer("/health/ready", false, true, 503,
                  "[{\"name\":\"store\",\"detail\":\"the disk is full\"}]");
    assert_answer("/health/ready", true, false, 503, "[{\"name\":\"cgroup\",\"detail\":\"v1\"}]");
}

TEST(health_names_the_fix)
{
    assert_answer("/health", true, true, 200, "\"status\":\"ok\"");
    assert_answer("/health", false, true, 503, "\"fix\":\"free some space\"");
    assert_answer("/health", true, false, 503, "\"fix\":\"mount it\"");
}

TEST(what_is_minor_is_told_and_turns_nobody_away)
{
    minor = true;
    assert_answer("/health", false, true, 200, "\"status\":\"degraded\"");
    assert_answer("/health", false, true, 200, "\"fix\":\"free some space\"");
    assert_answer("/health/ready", false, true, 200, "{\"status\":\"ready\",\"reasons\":[]}");
    assert_answer("/health", true, true, 200, "\"status\":\"ok\"");
    minor = false;
}

TEST(one_that_hangs_is_as_good_as_away)
{
    asking_us = 3 * US_PER_S;
    assert_answer("/health/ready", true, true, 503, "no answer for 3.0 s; before: the disk");
    assert_answer("/health", true, true, 503, "\"ok\":false,\"state\":\"unknown\"");
    asking_us = US_PER_S; /* not yet */
    assert_answer("/health/ready", true, true, 200, "\"ready\"");
    age_us = 4 * US_PER_S; /* but what it said before is too long ago */
    assert_answer("/health/ready", true, true, 503, "no answer for 1.0 s");
    minor = true; /* and needed by nobody who sends requests */
    assert_answer("/health/ready", true, true, 200, "\"ready\"");
    assert_answer("/health", true, true, 200, "\"status\":\"degraded\"");
    age_us = 1000;
    asking_us = 0;
    minor = false;
}

TEST(before_everything_was_asked_once_it_is_starting)
{
    complete = false;
    assert_answer("/health/ready", true, true, 503, "\"status\":\"starting\"");
    age_us = -1;
    assert_answer("/health", true, true, 503, "\"checked_seconds_ago\":null");
    age_us = 1000;
    complete = true;
    assert_answer("/health", true, true, 200, "\"checked_seconds_ago\":0.001");
}

TEST(whoever_is_about_to_end_is_not_ready_and_still_well)
{
    draining = true;
    assert_answer("/health/ready", true, true, 503, "{\"status\":\"draining\"");
    assert_answer("/health", true, true, 200, "\"draining\":true");
    assert_answer("/health/live", true, true, 200, "ok");
    draining = false;
}

TEST(live_needs_nothing_else)
{
    assert_answer("/health/live", false, false, 200, "ok");
}

RUN_TESTS(T(ready_says_what_is_missing), T(health_names_the_fix),
          T(what_is_minor_is_told_and_turns_nobody_away), T(one_that_hangs_is_as_good_as_away),
          T(before_everything_was_asked_once_it_is_starting),
          T(whoever_is_about_to_end_is_not_ready_and_still_well), T(live_needs_nothing_else))
