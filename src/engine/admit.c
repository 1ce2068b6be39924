/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit.c - one run in a lane's box: its turn for memory, the core it lends while its program
 * waits, and again what failed for reasons of ours.
 *
 * What is promised is held: the limits the kernel enforces on all runs together never pass the
 * memory there is (but for a test whose limit alone is more, which runs alone).
 *
 * A build seldom uses its limit, and 2 GiB for each would let a small machine build one thing at a
 * time. So as long as less than half of the memory is promised a build gets its whole limit, else
 * only what builds used lately (and a quarter). That then is its limit in the box: a build that
 * reaches it says nothing about the source and is repeated with all of its own, when there is room.
 * Compile bombs, however many at once, so run into a limit, never into the machine's; the price is
 * that some of them, or large builds on a busy machine, run twice. It takes a dozen ordinary builds
 * to forget a large one.
 *
 * A program may lose its core for a while to one that woke up. CPU time does not mind, but a wall
 * time limit might be hit for it: such a run says nothing about the program and is repeated once,
 * with no other run on the core.
 */
#include "base/clock.h"
#include "engine/lane.h"
#include "engine/measure.h"

enum { TRIES = 3, CROWDED_SHARE = 20 /* of the wall time: more is too much */ };
static const int64_t build_least_bytes = INT64_C(512) << 20;

/* ---- memory; with the lock ---- */

bool memory_fits(const struct lane *l)
{
    const struct engine *en = l->en;
    return en->memory_bytes == 0 || l->memory_bytes <= en->memory_total_bytes - en->memory_bytes;
}

void lane_admit(struct lane *l)
{
    l->en->memory_bytes += l->memory_bytes;
    l->core->running++;
}

static void note_build(struct engine *en, int64_t used_bytes)
{
    int64_t faded = en->build_bytes - en->build_bytes / 8;
    en->build_bytes = MAX(MAX(faded, used_bytes + used_bytes / 4), build_least_bytes);
}

static int64_t whole_limit(const struct engine *en, const struct plan *plan)
{
    return MIN(plan->limits.memory_bytes, en->memory_total_bytes);
}

static int64_t to_count(const struct lane *l, size_t test, const struct plan *plan)
{
    const struct engine *en = l->en;
    int64_t whole = whole_limit(en, plan);
    bool plenty = whole <= en->memory_total_bytes / 2 - en->memory_bytes;
    if (test != SIZE_MAX || l->whole || plenty)
        return whole;
    return MIN(whole, MAX(en->build_bytes, build_least_bytes));
}

/* Stand in line, lending the core meanwhile. False: not wanted any more. */
static bool stand_in_line(struct lane *l, struct active *a, size_t test)
{
    struct engine *en = l->en;
    TAILQ_INSERT_TAIL(&en->memory_line, l, line);
    l->in_line = true;
    lane_state_set(l, LANE_LENDING);
    engine_schedule(en);
    while (l->in_line && active_wanted(a, test))
        pthread_cond_wait(&l->go, &en->lock);
    if (!l->in_line)
        return true;
    TAILQ_REMOVE(&en->memory_line, l, line);
    l->in_line = false;
    lane_state_set(l, LANE_COMPUTING);
    return false;
}

/* ---- a run ---- */

/* The core is not lent any more, or the line moves on. With the lock. */
static void end_turn(struct lane *l)
{
    l->core->alone -= l->alone;
    l->active = NULL;
    lane_state_set(l, LANE_COMPUTING);
    if (l->alone || l->en->hungry || !TAILQ_EMPTY(&l->en->memory_line))
        engine_schedule(l->en);
}

static bool lane_enter(struct lane *l, struct active *a, size_t test, const struct plan *plan)
{
    struct engine *en = l->en;
    pthread_mutex_lock(&en->lock);
    bool go = active_wanted(a, test);
    if (go) {
        l->active = a;
        l->test = test;
        l->memory_bytes = to_count(l, test, plan);
        l->core->alone += l->alone;
        if (TAILQ_EMPTY(&en->memory_line) && l->core->alone == 0 && memory_fits(l))
            lane_admit(l);
        else
            go = stand_in_line(l, a, test);
        if (!go)
            end_turn(l);
    }
    l->crowded_us = 0;
    l->crowded_at_us = core_crowded_us(l->core);
    en->stats.runs += go;
    pthread_mutex_unlock(&en->lock);
    return go;
}

/* Returns whether the outcome is still wanted. */
static bool lane_leave(struct lane *l, struct active *a)
{
    struct engine *en = l->en;
    int64_t rebuilds = box_rebuilds(l->box);
    pthread_mutex_lock(&en->lock);
    bool go = active_wanted(a, l->test);
    en->memory_bytes -= l->memory_bytes;
    l->core->running--;
    en->stats.rebuilds += rebuilds - l->rebuilds;
    l->rebuilds = rebuilds;
    if (l->state == LANE_COMPUTING)
        l->crowded_us += core_crowded_us(l->core) - l->crowded_at_us;
    end_turn(l);
    pthread_mutex_unlock(&en->lock);
    return go;
}

/* From within box_run(): the program sleeps or waits for something, or computes again. */
static void on_waiting(void *arg, bool waiting)
{
    struct lane *l = arg;
    pthread_mutex_lock(&l->en->lock);
    lane_state_set(l, waiting ? LANE_LENDING : LANE_COMPUTING);
    if (waiting)
        engine_schedule(l->en);
    pthread_mutex_unlock(&l->en->lock);
}

/* What was stopped says how much there was to be had, not what builds use. */
static void look_at_build(struct engine *en, const struct report *report)
{
    if (report->end != END_EXIT)
        return;
    pthread_mutex_lock(&en->lock);
    note_build(en, report->memory_bytes);
    pthread_mutex_unlock(&en->lock);
}

/* Did the program run out of wall time because of others on its core? Then once more, alone. */
static bool was_crowded_out(const struct lane *l, const struct report *report)
{
    return report->end == END_WALL && !l->alone && l->crowded_us > report->wall_us / CROWDED_SHARE;
}

/* Did a build reach what it was promised, which is less than its limit? Without control groups the
 * compiler itself fails then, in whatever way. */
static bool was_cramped(const struct lane *l, const struct report *report, const struct plan *plan)
{
    bool failed = report->end == END_MEMORY ||
                  (report->from_rusage && (report->end != END_EXIT || report->exit_code != 0));
    return failed && l->memory_bytes < whole_limit(l->en, plan);
}

/* GOT_NONE: go on trying. */
static enum got run_once(struct lane *l, struct active *a, size_t test, const struct plan *plan,
                         struct report *report, bool *unwanted, struct err *e)
{
    struct plan promised = *plan;
    if (test == SIZE_MAX) /* nobody else looks at the limit of a build: it may be less */
        promised.limits.memory_bytes = l->memory_bytes;
    bool ok = box_run(l->box, &promised, report, e);
    measure_run(ok ? report : NULL);
    *unwanted = !lane_leave(l, a);
    if (ok && test == SIZE_MAX)
        look_at_build(l->en, report);
    bool crowded_out = ok && was_crowded_out(l, report);
    bool cramped = ok && test == SIZE_MAX && was_cramped(l, report, plan);
    if (ok && report->end != END_CANCELLED && !crowded_out && !cramped)
        return GOT_ONE;
    if (ok) {
        report_done(report);
        *report = (struct report){ 0 };
        err_set(e, ERR_BUG, "a run was broken off that nobody cancelled");
    }
    l->alone = crowded_out;
    l->whole = l->whole || cramped;
    /* The plan is at fault: it would be so again. */
    return !ok && e->kind == ERR_INVALID && !*unwanted ? GOT_FAILED : GOT_NONE;
}

enum got lane_run(struct lane *l, struct active *a, size_t test, const struct plan *plan,
                  struct report *report, struct err *e)
{
    struct plan lending = *plan;
    if (l->en->lanes_max > l->en->lane_count) {
        lending.on_waiting = on_waiting;
        lending.on_waiting_arg = l;
    }
    enum got got = GOT_NONE;
    bool unwanted = false;
    for (int try = 0; try < TRIES + l->whole && got == GOT_NONE && !unwanted; try++) {
        unwanted = !lane_enter(l, a, test, plan);
        if (!unwanted)
            got = run_once(l, a, test, &lending, report, &unwanted, e);
    }
    l->alone = l->whole = false;
    if (got != GOT_NONE || unwanted)
        return got;
    err_add(e, "tried %d times", TRIES);
    return GOT_FAILED;
}
