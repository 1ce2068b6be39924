/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries in one list, newest first, and a map by id. A lease is a due time in the future. */
#include "base/clock.h"
#include "store/store_memory.h"

static struct sending *find(struct memory *m, enum delivery_kind kind, const char *job_id)
{
    char id[DELIVERY_TEXT];
    delivery_id(kind, job_id, id);
    return map_get(&m->sendings, id);
}

/* Both a submission may have, NULL where it has not. */
static void find_both(struct memory *m, const char *job_id, struct sending *ret[2])
{
    ret[0] = find(m, DELIVERY_WEBHOOK, job_id);
    ret[1] = find(m, DELIVERY_CALLBACK, job_id);
}

static void delete (struct memory *m, struct sending *x)
{
    *(x->older ? &x->older->newer : &m->oldest_sending) = x->newer;
    *(x->newer ? &x->newer->older : &m->newest_sending) = x->older;
    map_take(&m->sendings, x->head.id);
    free(x);
}

void memory_owe(struct memory *m, const struct job *job)
{
    struct owed owed[OWED_MOST];
    int count = job_owes(job, owed);
    for (int i = 0; i < count; i++) {
        struct sending *x = calloc(1, sizeof *x);
        CHECK(x);
        x->head = (struct delivery){ .kind = owed[i].kind, .created_us = job->created_us };
        delivery_id(owed[i].kind, job->id, x->head.id);
        memcpy(x->head.job, job->id, sizeof x->head.job);
        snprintf(x->head.url, sizeof x->head.url, "%s", owed[i].url);
        x->older = m->newest_sending;
        *(x->older ? &x->older->newer : &m->oldest_sending) = x;
        m->newest_sending = x;
        map_put(&m->sendings, x->head.id, x);
    }
}

static void make_due(struct sending *x, int64_t due_us)
{
    x->head.state = DELIVERY_PENDING;
    x->head.attempts = 0;
    x->head.due_us = due_us;
}

void memory_make_due(struct memory *m, const char *job_id)
{
    struct sending *both[2];
    find_both(m, job_id, both);
    for (int i = 0; i < 2; i++)
        if (both[i] && both[i]->head.state == DELIVERY_OWED)
            make_due(both[i], wall_us());
}

void memory_owe_again(struct memory *m, const char *job_id)
{
    struct sending *both[2];
    find_both(m, job_id, both);
    for (int i = 0; i < 2; i++) {
        if (!both[i])
            continue;
        both[i]->head.state = DELIVERY_OWED;
        both[i]->head.attempts = 0;
        both[i]->head.due_us = 0;
    }
}

void memory_forget_deliveries(struct memory *m, const char *job_id)
{
    struct sending *both[2];
    find_both(m, job_id, both);
    for (int i = 0; i < 2; i++)
        if (both[i])
            delete (m, both[i]);
}

void memory_sweep_deliveries(struct memory *m, int64_t now_us)
{
    for (struct sending *x = m->oldest_sending, *newer; x; x = newer) {
        newer = x->newer;
        if (x->head.state > DELIVERY_PENDING && x->settled_us <= now_us - DELIVERY_KEEP_US &&
            !map_get(&m->ids, x->head.job))
            delete (m, x);
    }
}

void memory_close_deliveries(struct memory *m)
{
    while (m->oldest_sending)
        delete (m, m->oldest_sending);
    map_done(&m->sendings);
}

/* ---- the table of verbs ---- */

static struct sending *first_due(struct memory *m, int64_t now_us)
{
    struct sending *first = NULL;
    for (struct sending *x = m->oldest_sending; x; x = x->newer)
        if (x->head.state == DELIVERY_PENDING && x->head.due_us <= now_us &&
            (!first || x->head.due_us < first->head.due_us))
            first = x;
    return first;
}

static int64_t next_due(const struct memory *m)
{
    int64_t next = INT64_MAX;
    for (const struct sending *x = m->oldest_sending; x; x = x->newer)
        if (x->head.state == DELIVERY_PENDING)
            next = MIN(next, x->head.due_us);
    return next;
}

static bool memory_lease(struct store *s, int64_t now_us, int64_t lease_us, struct delivery *ret,
                         int max, int *ret_count, int64_t *ret_next_us, UNUSED struct err *e)
{
    struct memory *m = memory_lock(s);
    int count = 0;
    for (struct sending *x; count < max && (x = first_due(m, now_us));) {
        ret[count++] = x->head;
        x->head.due_us = now_us + lease_us;
    }
    *ret_count = count;
    *ret_next_us = next_due(m);
    memory_unlock(m);
    return true;
}

static void log_attempt(struct sending *x, const struct delivery_attempt *a)
{
    x->log[(x->log_first + x->log_count) % DELIVERY_LOG] = *a;
    if (x->log_count < DELIVERY_LOG)
        x->log_count++;
    else
        x->log_first = (x->log_first + 1) % DELIVERY_LOG;
}

static bool memory_settle(struct store *s, const struct delivery *d,
                          const struct delivery_attempt *a, enum delivery_state state,
                          int64_t due_us, UNUSED struct err *e)
{
    struct memory *m = memory_lock(s);
    struct sending *x = map_get(&m->sendings, d->id);
    if (x && x->head.state == DELIVERY_PENDING && x->head.attempts == d->attempts) {
        x->head.state = state;
        x->head.attempts++;
        x->head.due_us = state == DELIVERY_PENDING ? due_us : 0;
        x->settled_us = a->at_us;
        log_attempt(x, a);
    }
    memory_unlock(m);
    return true;
}

static enum got memory_replay(struct store *s, const char *id, int64_t now_us, UNUSED struct err *e)
{
    struct memory *m = memory_lock(s);
    struct sending *x = map_get(&m->sendings, id);
    bool fits = x && x->head.state != DELIVERY_OWED;
    if (fits)
        make_due(x, now_us);
    memory_unlock(m);
    return fits ? GOT_ONE : GOT_NONE;
}

static enum got memory_load_delivery(struct store *s, const char *id, struct delivery *ret,
                                     void (*attempt)(void *arg, const struct delivery_attempt *a),
                                     void *arg, UNUSED struct err *e)
{
    struct memory *m = memory_lock(s);
    const struct sending *x = map_get(&m->sendings, id);
    if (x)
        *ret = x->head;
    for (int i = 0; x && attempt && i < x->log_count; i++)
        attempt(arg, &x->log[(x->log_first + i) % DELIVERY_LOG]);
    memory_unlock(m);
    return x ? GOT_ONE : GOT_NONE;
}

static bool wanted(const struct sending *x, const struct delivery_filter *f)
{
    if (f->has_state ? x->head.state != f->state : x->head.state == DELIVERY_OWED)
        return false;
    return !f->job || strcmp(x->head.job, f->job) == 0;
}

static bool memory_list_deliveries(struct store *s, const struct delivery_filter *f,
                                   void (*fn)(void *arg, const struct delivery *d), void *arg,
                                   struct err *e)
{
    struct memory *m = memory_lock(s);
    const struct sending *after = f->after ? map_get(&m->sendings, f->after) : NULL;
    bool ok = after || !f->after;
    int given = 0;
    if (!ok)
        err_invalid(e, "after", "no delivery %s to go on from", f->after);
    for (const struct sending *x = after ? after->older : m->newest_sending;
         ok && x && given < f->limit; x = x->older) {
        if (!wanted(x, f))
            continue;
        fn(arg, &x->head);
        given++;
    }
    memory_unlock(m);
    return ok;
}

static bool memory_stats(struct store *s, struct delivery_stats *ret, UNUSED struct err *e)
{
    *ret = (struct delivery_stats){ 0 };
    struct memory *m = memory_lock(s);
    for (const struct sending *x = m->oldest_sending; x; x = x->newer)
        ret->pending += x->head.state == DELIVERY_PENDING;
    if (ret->pending)
        ret->oldest_due_us = next_due(m);
    memory_unlock(m);
    return true;
}

const struct delivery_ops memory_deliveries = {
    .lease = memory_lease,
    .settle = memory_settle,
    .replay = memory_replay,
    .load = memory_load_delivery,
    .list = memory_list_deliveries,
    .stats = memory_stats,
};
