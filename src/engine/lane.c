/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lane.c - the thread of a lane: take a task, do it, and end the job after its last one.
 */
#include "engine/lane.h"

#include "base/clock.h"
#include "engine/measure.h"

static const int64_t open_again_us = 5 * US_PER_S;

/* ---- lines; with engine.lock held ---- */

void active_line_up(struct engine *en, struct active *a, bool first)
{
    if (first)
        TAILQ_INSERT_HEAD(&en->fresh, a, line);
    else
        TAILQ_INSERT_TAIL(&en->fresh, a, line);
    a->in_fresh = true;
    en->waiting++;
}

void active_drop_waiting(struct engine *en, struct active *a)
{
    if (!a->in_begun)
        return;
    TAILQ_REMOVE(&en->begun, a, line);
    a->in_begun = false;
    en->waiting -= (int64_t)(a->job->test_count - a->next_test);
    a->next_test = a->job->test_count;
    engine_schedule(en); /* there may be room now */
}

/* False when the engine stops and nothing is left to be ended; the lane then gets no task. */
static bool task_wait(struct lane *l)
{
    struct engine *en = l->en;
    pthread_mutex_lock(&en->lock);
    lane_state_set(l, LANE_IDLE);
    engine_schedule(en);
    while (!l->has_task && !(en->stopping && TAILQ_EMPTY(&en->all)))
        pthread_cond_wait(&l->go, &en->lock);
    bool got = l->has_task;
    l->has_task = false;
    if (!got)
        lane_state_set(l, LANE_CLOSED);
    pthread_mutex_unlock(&en->lock);
    return got;
}

/* ---- the end of a job ---- */

static void sum_up(struct active *a)
{
    struct result *r = a->result;
    for (size_t i = 0; i < r->test_count; i++) {
        struct outcome *o = &r->tests[i].outcome;
        if (i > a->first_failed)
            *o = (struct outcome){ .verdict = VERDICT_SKIPPED, .exit_code = -1 };
        else if (o->verdict == VERDICT_NONE)
            *o = (struct outcome){ .verdict = VERDICT_CANCELLED, .exit_code = -1 };
    }
    if (r->test_count > 0)
        result_sum_up(r);
    if (a->cancelled)
        r->verdict = VERDICT_CANCELLED;
    /* The time of day may have jumped meanwhile. */
    r->finished_us = r->started_us > 0 ? r->started_us + (mono_us() - a->begun_us) : wall_us();
    if (a->built_us > 0)
        r->run_us = mono_us() - a->built_us;
}

static void active_free(struct active *a)
{
    artifact_unref(a->artifact);
    artifact_unref(a->extra);
    result_free(a->result);
    pthread_mutex_destroy(&a->telling);
    free(a);
}

/* Nobody works on it any more: tell the caller and forget it. */
static void active_end(struct engine *en, struct active *a)
{
    pthread_mutex_lock(&en->lock);
    TAILQ_REMOVE(&en->all, a, all);
    en->stats.jobs_running--;
    struct err trouble = a->trouble;
    if (en->stopping)
        engine_wake_all(en); /* it may have been the last */
    pthread_mutex_unlock(&en->lock);

    if (trouble.kind != ERR_NONE && !a->cancelled) {
        a->sink.finished(a->sink.arg, NULL, &trouble);
    } else {
        sum_up(a);
        measure_phases(a->lang, a->result);
        a->sink.finished(a->sink.arg, TAKE(a->result), NULL);
    }
    active_free(a);
}

static void active_trouble(struct engine *en, struct active *a, const struct err *e)
{
    pthread_mutex_lock(&en->lock);
    if (a->trouble.kind == ERR_NONE)
        a->trouble = *e;
    active_drop_waiting(en, a);
    engine_break_off(en);
    pthread_mutex_unlock(&en->lock);
}

/* ---- tests ---- */

static void tell(struct active *a, size_t k)
{
    if (a->sink.test_done)
        a->sink.test_done(a->sink.arg, &a->result->tests[k], k);
}

/* With stop_on_failure tests are told in order, so that none is told that will not count. */
static void tell_in_order(struct active *a)
{
    const struct result *r = a->result;
    while (a->told < r->test_count && r->tests[a->told].outcome.verdict != VERDICT_NONE) {
        bool failed = r->tests[a->told].outcome.verdict != VERDICT_ACCEPTED;
        tell(a, a->told);
        a->told = failed ? r->test_count : a->told + 1;
    }
}

static void note_failure(struct engine *en, struct active *a, size_t k)
{
    pthread_mutex_lock(&en->lock);
    if (k < a->first_failed) {
        a->first_failed = k;
        active_drop_waiting(en, a);
        engine_break_off(en);
    }
    pthread_mutex_unlock(&en->lock);
}

static const int64_t default_result_bytes = INT64_C(64) << 20;

/*
 * A thousand tests may print their limit each. What a result keeps of them is bounded, and what
 * comes late is cut; it was judged whole before.
 */
static void cut_text(struct str *text, bool *cut, int64_t *room)
{
    if ((int64_t)text->len > *room) {
        text->len = (size_t)*room;
        *cut = true;
    }
    *room -= (int64_t)text->len;
}

static void cut_outcome(struct outcome *o, int64_t *room)
{
    cut_text(&o->out, &o->out_cut, room);
    cut_text(&o->err, &o->err_cut, room);
    for (size_t i = 0; i < o->file_count; i++) {
        if ((int64_t)o->files[i].content.len > *room) {
            o->file_count = i;
            o->files_cut = true;
            break;
        }
        *room -= (int64_t)o->files[i].content.len;
    }
}

static void keep(struct engine *en, struct active *a, size_t k, const struct outcome *whole)
{
    int64_t most = en->config.result_bytes > 0 ? en->config.result_bytes : default_result_bytes;
    int64_t room = most - a->kept;
    struct outcome o = *whole;
    cut_outcome(&o, &room);
    a->kept = most - room;
    a->result->tests[k].outcome = outcome_copy(&o, &a->result->arena);
}

static void test_done(struct engine *en, struct active *a, size_t k, const struct run_outcome *o)
{
    if (a->job->stop_on_failure && o->outcome.verdict != VERDICT_ACCEPTED)
        note_failure(en, a, k);

    pthread_mutex_lock(&a->telling);
    keep(en, a, k, &o->outcome);
    a->result->rusage_only |= o->rusage_only;
    if (a->job->stop_on_failure)
        tell_in_order(a);
    else
        tell(a, k);
    pthread_mutex_unlock(&a->telling);
}

static void task_test(struct lane *l, struct active *a, size_t k)
{
    struct engine *en = l->en;
    CLEANUP(arena_done) struct arena arena = { 0 };
    struct run_outcome o = { 0 };
    struct err e = { 0 };
    enum got got = run_test(l, a, k, &arena, &o, &e);
    if (got == GOT_ONE)
        test_done(en, a, k, &o);
    else if (got == GOT_FAILED)
        active_trouble(en, a, &e);

    pthread_mutex_lock(&en->lock);
    a->out--;
    bool last = a->out == 0 && !a->in_begun;
    pthread_mutex_unlock(&en->lock);
    if (last)
        active_end(en, a);
}

/* The first test is ours, the others are for whoever is idle. */
static void task_tests(struct lane *l, struct active *a)
{
    struct engine *en = l->en;
    pthread_mutex_lock(&en->lock);
    a->out = 1;
    a->next_test = 1;
    if (a->job->test_count > 1) {
        TAILQ_INSERT_TAIL(&en->begun, a, line);
        a->in_begun = true;
        en->waiting += (int64_t)a->job->test_count - 1;
        engine_schedule(en);
    }
    if (!active_wanted(a, 0))
        active_drop_waiting(en, a);
    pthread_mutex_unlock(&en->lock);
    task_test(l, a, 0);
}

/* ---- begin ---- */

static bool begin(struct engine *en, struct active *a, struct err *e)
{
    if (a->result)
        return true; /* parked meanwhile */
    a->begun_us = mono_us();
    a->lang = catalogue_find(en->catalogue, str_of(a->job->language), e);
    if (!a->lang)
        return false;
    if (!a->lang->offered)
        return err_set(e, ERR_UNAVAILABLE, "%s is not installed here: it needs %s", a->lang->id,
                       a->lang->package ? a->lang->package : "its toolchain");
    a->result = result_new();
    a->result->attempt = a->attempt;
    a->result->started_us = wall_us();
    return true;
}

/* Put the build into the result. True when there is something to run. */
static bool note_build(struct active *a)
{
    struct result *r = a->result;
    a->built_us = mono_us();
    r->compile_us = a->built_us - a->begun_us;
    r->compiled = a->lang->build.argv != NULL;
    r->cached = a->cached;
    if (r->compiled)
        r->compile = outcome_copy(&a->artifact->compile, &r->arena);
    r->rusage_only = a->artifact->rusage_only;
    if (a->artifact->compile.verdict == VERDICT_ACCEPTED)
        return true;
    r->verdict = VERDICT_COMPILE_ERROR;
    r->message = arena_text(&r->arena, a->artifact->message);
    return false;
}

static void prepare_tests(struct active *a)
{
    struct result *r = a->result;
    r->test_count = a->job->test_count;
    r->tests = arena_array(&r->arena, r->test_count, sizeof *r->tests);
    for (size_t i = 0; i < r->test_count; i++) {
        r->tests[i].id = arena_text(&r->arena, a->job->tests[i].id);
        r->tests[i].weight = a->job->tests[i].weight;
    }
}

/* False: the job is not ours any more. */
static bool get_ready(struct lane *l, struct active *a, bool *run)
{
    struct err e = { 0 };
    bool parked = false;
    enum got got = begin(l->en, a, &e) ? build_get(l, a, &parked, &e) : GOT_FAILED;
    if (parked)
        return false;
    if (got == GOT_FAILED)
        active_trouble(l->en, a, &e);
    *run = got == GOT_ONE && note_build(a);
    if (*run)
        prepare_tests(a);
    return true;
}

static void task_begin(struct lane *l, struct active *a)
{
    pthread_mutex_lock(&l->en->lock);
    bool go = active_wanted(a, SIZE_MAX), run = false;
    pthread_mutex_unlock(&l->en->lock);
    if (go && !get_ready(l, a, &run))
        return;
    if (!a->result) {
        a->result = result_cancelled(); /* only looked at when it was */
        a->result->attempt = a->attempt;
    }
    if (run)
        task_tests(l, a);
    else
        active_end(l->en, a);
}

/* ---- the thread ---- */

/* The first lanes open at once; one more waits until it is needed. False: it never was. */
static bool wait_to_open(struct lane *l)
{
    struct engine *en = l->en;
    pthread_mutex_lock(&en->lock);
    while (l->state == LANE_CLOSED && !en->stopping)
        pthread_cond_wait(&l->go, &en->lock);
    bool open = l->state == LANE_OPENING;
    pthread_mutex_unlock(&en->lock);
    return open;
}

static void note_opened(struct lane *l, const struct err *e)
{
    struct engine *en = l->en;
    if (l->index < en->lane_count) {
        en->lanes_opened++;
        if (!l->box && en->open_error.kind == ERR_NONE)
            en->open_error = *e;
        pthread_cond_broadcast(&en->opened);
    }
    if (!l->box) {
        en->open_again_us = mono_us() + open_again_us;
        lane_state_set(l, LANE_CLOSED);
    }
}

static bool lane_open(struct lane *l)
{
    struct err e = { 0 };
    struct box *box = box_open(l->en->keeper, l->number, &e);
    pthread_mutex_lock(&l->en->lock);
    l->box = box;
    note_opened(l, &e);
    pthread_mutex_unlock(&l->en->lock);
    return box != NULL;
}

void *lane_main(void *arg)
{
    struct lane *l = arg;
    bool open = false;
    while (!open && wait_to_open(l))
        open = lane_open(l);
    while (open && task_wait(l)) {
        struct task t = l->task;
        if (t.begin)
            task_begin(l, t.active);
        else
            task_test(l, t.active, t.test);
    }
    box_close(TAKE(l->box));
    return NULL;
}
