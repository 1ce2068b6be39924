/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.c - who computes where. Called with engine.lock, after every change; does no I/O, it
 * only sets states and wakes threads. lane.h tells the rules.
 */
#include "base/clock.h"
#include "engine/lane.h"

enum { PARKED_PER_LANE = 4 };

/* ---- cores ---- */

int64_t core_crowded_us(const struct core *c)
{
    return c->crowded_us + (c->crowded_since_us > 0 ? mono_us() - c->crowded_since_us : 0);
}

static void core_count(struct core *c, int change)
{
    bool was = c->computing > c->capacity;
    c->computing += change;
    bool is = c->computing > c->capacity;
    if (is && !was) {
        c->crowded_since_us = mono_us();
    } else if (was && !is) {
        c->crowded_us = core_crowded_us(c);
        c->crowded_since_us = 0;
    }
}

static void take_out(struct lane *l, struct lane_stack *stack, int *count)
{
    SLIST_REMOVE(stack, l, lane, rest);
    --*count;
}

static void put_in(struct lane *l, struct lane_stack *stack, int *count)
{
    SLIST_INSERT_HEAD(stack, l, rest);
    ++*count;
}

void lane_state_set(struct lane *l, enum lane_state state)
{
    struct core *c = l->core;
    if (l->state == state)
        return;
    if (l->state == LANE_IDLE) {
        take_out(l, &c->idle, &c->idle_count);
    } else if (l->state == LANE_CLOSED) {
        take_out(l, &c->closed, &c->closed_count);
    } else if (l->state == LANE_OPENING) {
        c->opening--;
    } else if (l->state == LANE_COMPUTING) {
        l->crowded_us += core_crowded_us(c) - l->crowded_at_us;
        l->en->stats.busy_us += mono_us() - l->busy_at_us;
        core_count(c, -1);
    }
    l->state = state;
    if (state == LANE_IDLE) {
        put_in(l, &c->idle, &c->idle_count);
    } else if (state == LANE_CLOSED) {
        put_in(l, &c->closed, &c->closed_count);
    } else if (state == LANE_OPENING) {
        c->opening++;
    } else if (state == LANE_COMPUTING) {
        core_count(c, 1);
        l->busy_at_us = mono_us();
        l->crowded_at_us = core_crowded_us(c);
    }
}

static int room_of(const struct core *c)
{
    return c->alone > 0 ? 0 : MAX(c->capacity - c->computing, 0);
}

void engine_wake_all(struct engine *en)
{
    for (int i = 0; i < en->lanes_max; i++)
        pthread_cond_signal(&en->lanes[i].go);
}

/* ---- lanes that wait for memory ---- */

static void serve_memory_line(struct engine *en)
{
    struct lane *next;
    en->hungry = false;
    for (struct lane *l = TAILQ_FIRST(&en->memory_line); l; l = next) {
        next = TAILQ_NEXT(l, line);
        if (!memory_fits(l)) {
            en->hungry = true;
            return;
        }
        const struct core *c = l->core;
        bool free = c->computing < c->capacity && (l->alone ? c->running == 0 : c->alone == 0);
        if (!free)
            continue; /* as long as others are served, it is the core it waits for */
        TAILQ_REMOVE(&en->memory_line, l, line);
        l->in_line = false;
        lane_admit(l);
        lane_state_set(l, LANE_COMPUTING);
        pthread_cond_signal(&l->go);
    }
}

/* ---- tasks ---- */

/* A started job goes before a fresh one; both lines are in the order of arrival. */
static struct task task_choose(struct engine *en)
{
    struct active *a = TAILQ_FIRST(&en->begun);
    en->waiting--;
    if (!a) {
        a = TAILQ_FIRST(&en->fresh);
        TAILQ_REMOVE(&en->fresh, a, line);
        a->in_fresh = false;
        return (struct task){ .active = a, .begin = true };
    }
    struct task t = { .active = a, .test = a->next_test++ };
    a->out++;
    if (a->next_test == a->job->test_count) {
        TAILQ_REMOVE(&en->begun, a, line);
        a->in_begun = false;
    }
    return t;
}

/* An idle lane of the core with the fewest runs, those that wait included; NULL: none is free. */
static struct lane *free_lane(struct engine *en)
{
    struct core *best = NULL;
    for (int i = 0; i < en->core_count; i++) {
        struct core *c = &en->cores[(en->next_core + i) % en->core_count];
        if (room_of(c) > 0 && c->idle_count > 0 &&
            (!best || c->computing + c->running < best->computing + best->running))
            best = c;
    }
    if (!best)
        return NULL;
    en->next_core = (int)(best - en->cores + 1) % en->core_count;
    return SLIST_FIRST(&best->idle);
}

static bool may_open(const struct engine *en)
{
    return !en->stopping && (en->open_again_us == 0 || mono_us() >= en->open_again_us);
}

/* Cores with room, but all their lanes taken: open one more for each task that waits. */
static void open_more(struct engine *en)
{
    int64_t wanted = en->waiting;
    for (int i = 0; i < en->core_count; i++)
        wanted -= en->cores[i].opening;
    if (wanted <= 0 || !may_open(en))
        return;
    for (int i = 0; i < en->core_count && wanted > 0; i++) {
        struct core *c = &en->cores[i];
        if (c->opening >= room_of(c) || c->closed_count == 0)
            continue;
        struct lane *l = SLIST_FIRST(&c->closed);
        lane_state_set(l, LANE_OPENING);
        pthread_cond_signal(&l->go);
        wanted--;
    }
}

int64_t engine_places(const struct engine *en)
{
    int64_t places = 0;
    if (en->stopping || en->hungry)
        return 0;
    for (int i = 0; i < en->core_count; i++) {
        const struct core *c = &en->cores[i];
        int lanes = c->idle_count + c->opening;
        int room = room_of(c);
        if (lanes < room && c->closed_count > 0 && may_open(en))
            lanes += c->closed_count;
        places += MIN(room, lanes);
    }
    return places;
}

/* A job parked with an equal one's build costs no lane, but while it is here no other machine can
 * have it. A few do no harm: behind them may be one that does cost a lane. */
int64_t engine_room(const struct engine *en)
{
    bool enough = en->parked >= (int64_t)PARKED_PER_LANE * en->lane_count;
    return enough ? 0 : engine_places(en) - en->waiting;
}

void engine_schedule(struct engine *en)
{
    serve_memory_line(en);
    struct lane *l;
    while (en->waiting > 0 && !en->hungry && (l = free_lane(en))) {
        l->task = task_choose(en);
        l->has_task = true;
        lane_state_set(l, LANE_COMPUTING);
        pthread_cond_signal(&l->go);
    }
    if (en->waiting > 0 && !en->hungry)
        open_more(en);
    if (engine_room(en) > 0)
        pthread_cond_broadcast(&en->room);
}
