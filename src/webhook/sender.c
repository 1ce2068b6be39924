/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread. Its round:
 *
 *   look    take what is due from the store, a handful at a time, into the lines of its receivers
 *   start   as many as may run: load the record, render, sign, hand over to the pool
 *   run     the pool goes on with transfers until one ends, the bus nudges, or the next is due
 *   settle  write down how an attempt went; what the store does not take now is tried again
 *
 * A nudge comes with every job that ends, whether it has a webhook or not, so looks keep a
 * distance: the first is made at once, one after it waits for LOOK_GAP_US and covers all nudges
 * meanwhile.
 */
#include "webhook/sender.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "webhook/measure.h"

enum { BATCH = 64, HEADERS = 8 };
#define TIMEOUT_US        (15 * US_PER_S)
#define LEASE_BEYOND_US   (15 * US_PER_S) /* time a delivery may wait here for its turn */
#define LOOK_GAP_US       (20 * US_PER_MS)
#define LOOK_LEAST_OFTEN  (60 * US_PER_S) /* should a nudge be lost */
#define AGAIN_US          US_PER_S        /* the store is away */
#define STOP_US           (2 * US_PER_S)
#define BODIES_BYTES_MOST ((size_t)256 << 20)
#define ANSWER_BYTES      4096 /* read so that the connection can be kept; nobody looks at it */

/* A delivery from its start until it is written down. */
struct sending {
    struct sending *next, **link;
    struct sender *sender;
    struct held *held; /* NULL once the transfer is over */
    char id[DELIVERY_TEXT];
    int attempts;
    enum delivery_kind kind;
    char receiver[80];  /* for the log: never the path, which may hold a secret */
    struct trace trace; /* this attempt's span in the trace of its submission */
    char parent_span[SPAN_ID_TEXT];
    size_t bytes;
    int64_t at_us; /* wall clock */

    /* the outcome, while the store does not take it */
    struct delivery_attempt attempt;
    enum delivery_state state;
    int64_t due_us;
};

struct sender {
    struct sender_config config;
    struct store *store;
    struct bus *bus;
    struct bus_watch *watch;
    struct web_pool *pool;
    pthread_t thread;
    bool thread_started;
    atomic_bool nudged, stopping;
    atomic_llong delivered, failed, refused;
    atomic_int running, waiting; /* copies, for others to read */

    /* the thread's own */
    struct receivers *receivers;
    struct sending *under_way, *unsettled;
    size_t bytes;           /* of bodies under way */
    int64_t look_from_us;   /* monotonic: no look before */
    int64_t look_at_us;     /* monotonic: one even without a nudge */
    int64_t settle_from_us; /* monotonic */
    int64_t start_from_us;  /* monotonic: later when the store is away */
    bool store_away;        /* said in the log */
    struct delivery batch[BATCH];
};

static void list_add(struct sending **list, struct sending *x)
{
    x->next = *list;
    x->link = list;
    if (x->next)
        x->next->link = &x->next;
    *list = x;
}

static void list_take(struct sending *x)
{
    *x->link = x->next;
    if (x->next)
        x->next->link = x->link;
}

/* The store's trouble is told once, and its end. */
static void note_store(struct sender *s, bool ok, const struct err *e)
{
    if (!ok)
        store_failed(s->store, STORE_DELIVER, e);
    if (!ok && !s->store_away)
        log_warn("webhook.store_away", "why=%s", e->text);
    if (ok && s->store_away)
        log_info("webhook.store_back", "waiting=%d", receivers_waiting(s->receivers));
    s->store_away = !ok;
}

static int64_t mono_of_wall(int64_t at_us)
{
    return at_us == INT64_MAX ? INT64_MAX : mono_us() + MAX(at_us - wall_us(), 0);
}

/* ---- writing down ---- */

/* False: the store did not take it. */
static bool settle(struct sending *x)
{
    struct err e;
    struct delivery d = { .kind = x->kind, .attempts = x->attempts, .state = DELIVERY_PENDING };
    memcpy(d.id, x->id, sizeof d.id);
    struct sender *s = x->sender;
    bool ok = s->store->ops->deliveries->settle(s->store, &d, &x->attempt, x->state, x->due_us, &e);
    note_store(s, ok, &e);
    if (ok && x->state == DELIVERY_PENDING) /* nobody nudges when it is due */
        s->look_at_us = MIN(s->look_at_us, mono_of_wall(x->due_us));
    return ok;
}

static void settle_again(struct sender *s, int64_t now_us)
{
    if (!s->unsettled || now_us < s->settle_from_us)
        return;
    for (struct sending *x = s->unsettled, *next; x; x = next) {
        next = x->next;
        if (!settle(x)) {
            s->settle_from_us = now_us + AGAIN_US;
            return;
        }
        list_take(x);
        free(x);
    }
}

static void log_outcome(const struct sending *x)
{
    double ms = (double)x->attempt.took_us / 1000.0;
    if (x->state == DELIVERY_DELIVERED)
        log_info("webhook.delivered",
                 "id=%s trace_id=%s span_id=%s parent_id=%s receiver=%s attempt=%d status=%d "
                 "ms=%.3f",
                 x->id, x->trace.id, x->trace.span, x->parent_span, x->receiver, x->attempts + 1,
                 x->attempt.status, ms);
    else if (x->state == DELIVERY_PENDING)
        log_info("webhook.retry",
                 "id=%s trace_id=%s span_id=%s parent_id=%s receiver=%s attempt=%d status=%d "
                 "again_in_s=%lld why=%s",
                 x->id, x->trace.id, x->trace.span, x->parent_span, x->receiver, x->attempts + 1,
                 x->attempt.status, (long long)((x->due_us - wall_us()) / US_PER_S),
                 x->attempt.error);
    else
        log_warn("webhook.given_up",
                 "id=%s trace_id=%s span_id=%s parent_id=%s receiver=%s state=%s attempt=%d "
                 "status=%d why=%s",
                 x->id, x->trace.id, x->trace.span, x->parent_span, x->receiver,
                 delivery_state_name(x->state), x->attempts + 1, x->attempt.status,
                 x->attempt.error);
}

static void tally(struct sender *s, enum delivery_state state)
{
    atomic_fetch_add(state == DELIVERY_DELIVERED ? &s->delivered
                     : state == DELIVERY_REFUSED ? &s->refused
                                                 : &s->failed,
                     1);
}

/* x has its outcome. */
static void keep(struct sending *x)
{
    struct sender *s = x->sender;
    list_take(x);
    s->bytes -= x->bytes;
    receivers_done(s->receivers, TAKE(x->held), x->state == DELIVERY_DELIVERED);
    tally(s, x->state);
    measure_attempt(x->state, x->attempt.took_us);
    log_outcome(x);
    if (settle(x)) {
        free(x);
        return;
    }
    s->settle_from_us = mono_us() + AGAIN_US;
    list_add(&s->unsettled, x);
}

/* Not an attempt: the lease runs out, and it is due again. */
static void let_go(struct sending *x)
{
    struct sender *s = x->sender;
    list_take(x);
    s->bytes -= x->bytes;
    receivers_done(s->receivers, TAKE(x->held), false);
    free(x);
}

/* ---- outcomes ---- */

static double chance(void)
{
    uint32_t bits;
    random_bytes(&bits, sizeof bits);
    return (double)bits / (double)UINT32_MAX;
}

static void failed(struct sending *x, int64_t retry_after_us)
{
    const struct sender_config *c = &x->sender->config;
    const struct schedule *schedule = x->kind == DELIVERY_WEBHOOK ? &c->webhook : &c->callback;
    bool again =
        schedule_next(schedule, x->attempts + 1, retry_after_us, chance(), wall_us(), &x->due_us);
    x->state = again ? DELIVERY_PENDING : DELIVERY_FAILED;
}

static void say(struct sending *x, const char *text)
{
    snprintf(x->attempt.error, sizeof x->attempt.error, "%.*s", DELIVERY_ERROR - 1, text);
}

static void on_done(void *arg, const struct web_answer *a, const struct err *e)
{
    struct sending *x = arg;
    int status = a->status;
    char text[DELIVERY_ERROR];
    x->attempt.at_us = x->at_us;
    x->attempt.took_us = a->took_us;
    x->attempt.status = status;
    if (status >= 200 && status < 300) { /* whatever became of the body */
        x->state = DELIVERY_DELIVERED;
    } else if (status == 410) {
        x->state = DELIVERY_REFUSED;
        say(x, "the receiver is gone for good");
    } else if (!status && e && e->kind == ERR_INVALID) {
        x->state = DELIVERY_REFUSED;
        say(x, e->text);
    } else {
        snprintf(text, sizeof text, "the receiver answered %d%s", status,
                 status >= 300 && status < 400 ? "; redirects are not followed" : "");
        say(x, status ? text : e->text);
        failed(x, a->retry_after_us);
    }
    keep(x);
}

/* ---- sending ---- */

struct envelope {
    char texts[HEADERS][160];
    const char *list[HEADERS + 1];
    int count;
    struct buf signatures; /* whole header; may be long */
    struct buf authorization, state;
};

static void envelope_done(struct envelope *v)
{
    buf_done(&v->signatures);
    buf_done(&v->authorization);
    buf_done(&v->state);
}
CLEANUP_FOR_STRUCT(struct envelope, envelope_done)

static void add_header(struct envelope *v, const char *fmt, ...) PRINTF(2, 3);

static void add_header(struct envelope *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    CHECK(v->count < HEADERS);
    vsnprintf(v->texts[v->count], sizeof v->texts[0], fmt, args);
    va_end(args);
    v->list[v->count] = v->texts[v->count];
    v->count++;
}

static void sign(struct envelope *v, const struct sending *x, struct str body)
{
    int64_t now_s = x->at_us / US_PER_S;
    add_header(v, "webhook-id: %s", x->id);
    add_header(v, "webhook-timestamp: %lld", (long long)now_s);
    if (signer_is_empty(x->sender->config.signer))
        return;
    buf_add_text(&v->signatures, "webhook-signature: ");
    signer_sign(x->sender->config.signer, x->id, now_s, body, &v->signatures);
    v->list[v->count++] = v->signatures.ptr;
}

static void add_authorization(struct envelope *v, struct str user)
{
    buf_add_text(&v->authorization, "Authorization: Basic ");
    base64_add(&v->authorization, user);
    v->list[v->count++] = v->authorization.ptr;
}

/* Each attempt is a span of its own; the receiver's work is below it. */
static void add_trace(struct envelope *v, const struct sending *x, const char *tracestate)
{
    char text[TRACEPARENT_TEXT];
    if (!x->trace.id[0])
        return;
    trace_text(&x->trace, text);
    add_header(v, "traceparent: %s", text);
    if (!tracestate)
        return;
    CHECK(v->count < HEADERS);
    buf_addf(&v->state, "tracestate: %s", tracestate);
    v->list[v->count++] = v->state.ptr;
}

static void send_body(struct sending *x, const struct job *job, struct str body)
{
    const struct sender_config *c = &x->sender->config;
    bool webhook = x->kind == DELIVERY_WEBHOOK;
    CLEANUP(buf_done) struct buf url = { 0 }, user = { 0 };
    CLEANUP(envelope_done) struct envelope v = { 0 };
    add_header(&v, "Content-Type: application/json");
    if (webhook) {
        sign(&v, x, body);
        buf_add_text(&url, x->held->url);
    } else if (web_url_take_user(x->held->url, &url, &user) && user.len) {
        add_authorization(&v, buf_str(&user));
    }
    add_trace(&v, x, job ? job->tracestate : NULL);
    int64_t timeout_us = webhook ? c->webhook_timeout_us : c->callback_timeout_us;
    struct web_request request = {
        .method = webhook ? "POST" : "PUT",
        .url = buf_str(&url).ptr,
        .headers = v.list,
        .body = body,
        .timeout_us = timeout_us,
        .answer_max = ANSWER_BYTES,
        .guard = c->guard,
        .ca_file = c->ca_file,
    };
    web_pool_send(x->sender->pool, &request, on_done, x);
}

static void start_one(struct sender *s, struct held *h)
{
    struct sending *x = calloc(1, sizeof *x);
    CHECK(x);
    x->sender = s;
    x->held = h;
    x->attempts = h->attempts;
    x->kind = h->kind;
    x->at_us = wall_us();
    memcpy(x->id, h->id, sizeof x->id);
    snprintf(x->receiver, sizeof x->receiver, "%s", receiver_name(h->receiver));
    list_add(&s->under_way, x);

    struct err e;
    CLEANUP(record_done) struct record record = { 0 };
    enum got got = store_load(s->store, h->job, RECORD_JOB | RECORD_RESULT, &record, &e);
    if (got == GOT_FAILED) {
        note_store(s, false, &e);
        s->start_from_us = mono_us() + AGAIN_US;
        list_take(x);
        receivers_put_back(s->receivers, TAKE(x->held));
        free(x);
        return;
    }
    if (got == GOT_ONE && record.state != STATE_FINISHED && record.state != STATE_CANCELLED) {
        let_go(x); /* an operator runs it again: its new end is told */
        return;
    }
    if (got == GOT_NONE) {
        x->attempt.at_us = x->at_us;
        say(x, "the submission was deleted");
        x->state = DELIVERY_FAILED;
        keep(x);
        return;
    }
    if (record.job) { /* one that cannot be read any more is told of without it */
        x->trace = trace_child(&record.job->trace);
        memcpy(x->parent_span, record.job->trace.span, sizeof x->parent_span);
    }
    CLEANUP(buf_done) struct buf body = { 0 };
    s->config.render(s->config.render_arg, x->kind, &record, &body);
    x->bytes = body.len;
    s->bytes += x->bytes;
    send_body(x, record.job, buf_str(&body));
}

static void start_all(struct sender *s)
{
    int64_t time_us = MAX(s->config.webhook_timeout_us, s->config.callback_timeout_us);
    struct held *h;
    while (s->bytes < BODIES_BYTES_MOST && mono_us() >= s->start_from_us &&
           (h = receivers_next(s->receivers, mono_us(), time_us)))
        start_one(s, h);
}

/* ---- looking ---- */

/* A URL that was stored and is none: nothing will ever be sent there. */
static void refuse(struct sender *s, const struct delivery *d)
{
    struct err e;
    struct delivery_attempt a = { .at_us = wall_us(), .error = "this URL is never sent to" };
    bool ok = s->store->ops->deliveries->settle(s->store, d, &a, DELIVERY_REFUSED, 0, &e);
    measure_attempt(DELIVERY_REFUSED, 0);
    note_store(s, ok, &e);
}

/* Returns false when something had to be left for later. */
static bool take_batch(struct sender *s, int count, int64_t lease_us)
{
    bool all = true;
    for (int i = 0; i < count; i++) {
        bool bad;
        if (receivers_add(s->receivers, &s->batch[i], lease_us, &bad))
            continue;
        if (bad)
            refuse(s, &s->batch[i]);
        else
            all = false;
    }
    return all;
}

static void look(struct sender *s)
{
    int64_t timeout_us = MAX(s->config.webhook_timeout_us, s->config.callback_timeout_us);
    int64_t lease_us = timeout_us + LEASE_BEYOND_US, next_us = INT64_MAX;
    const struct delivery_ops *ops = s->store->ops->deliveries;
    atomic_store(&s->nudged, false);
    s->look_at_us = mono_us() + LOOK_LEAST_OFTEN;
    s->look_from_us = mono_us() + LOOK_GAP_US;
    while (receivers_have_room(s->receivers)) {
        struct err e;
        int count = 0;
        int64_t until_us = mono_us() + lease_us;
        bool ok = ops->lease(s->store, wall_us(), lease_us, s->batch, BATCH, &count, &next_us, &e);
        note_store(s, ok, &e);
        if (!ok) {
            s->look_from_us = s->look_at_us = mono_us() + AGAIN_US;
            return;
        }
        bool all = take_batch(s, count, until_us);
        if (!all) { /* give those that wait a moment to prove themselves */
            s->look_at_us = s->look_from_us;
            return;
        }
        if (count < BATCH) {
            s->look_at_us = MIN(s->look_at_us, MAX(mono_of_wall(next_us), s->look_from_us));
            return;
        }
    }
    /* No room: the next end of a transfer makes some. */
    s->look_at_us = s->look_from_us;
}

static bool should_look(struct sender *s)
{
    int64_t now = mono_us();
    return receivers_have_room(s->receivers) && now >= s->look_from_us &&
           (atomic_load(&s->nudged) || now >= s->look_at_us);
}

/* ---- the thread ---- */

static int64_t wait_us(struct sender *s)
{
    int64_t at = receivers_have_room(s->receivers) ? s->look_at_us : INT64_MAX;
    if (atomic_load(&s->nudged) && receivers_have_room(s->receivers))
        at = s->look_from_us;
    if (s->unsettled)
        at = MIN(at, s->settle_from_us);
    if (receivers_waiting(s->receivers) && s->start_from_us > mono_us())
        at = MIN(at, s->start_from_us);
    return at == INT64_MAX ? LOOK_LEAST_OFTEN : MAX(at - mono_us(), 0);
}

static void publish(struct sender *s)
{
    atomic_store(&s->running, receivers_running(s->receivers));
    atomic_store(&s->waiting, receivers_waiting(s->receivers));
}

static void finish_up(struct sender *s)
{
    int64_t until = mono_us() + STOP_US, now;
    while (s->under_way && (now = mono_us()) < until)
        web_pool_run(s->pool, until - now);
    s->settle_from_us = 0;
    settle_again(s, mono_us());
}

static void *sender_main(void *arg)
{
    struct sender *s = arg;
    while (!atomic_load(&s->stopping)) {
        settle_again(s, mono_us());
        if (should_look(s))
            look(s);
        start_all(s);
        publish(s);
        web_pool_run(s->pool, wait_us(s));
    }
    finish_up(s);
    publish(s);
    return NULL;
}

/* From any thread, possibly inside bus_announce(). */
static void on_event(void *arg, UNUSED const char *id, enum bus_event event, UNUSED struct str data)
{
    struct sender *s = arg;
    if ((event == BUS_FINISHED || event == BUS_AGAIN) && !atomic_exchange(&s->nudged, true))
        web_pool_wake(s->pool);
}

struct sender *sender_start(const struct sender_config *config, struct store *store,
                            struct bus *bus, struct err *e)
{
    struct sender *s = calloc(1, sizeof *s);
    CHECK(s);
    s->config = *config;
    if (s->config.webhook_timeout_us <= 0)
        s->config.webhook_timeout_us = TIMEOUT_US;
    if (s->config.callback_timeout_us <= 0)
        s->config.callback_timeout_us = TIMEOUT_US;
    measure_sender_start();
    s->store = store;
    s->bus = bus;
    s->receivers = receivers_new(&config->receivers);
    s->pool = web_pool_new(e);
    if (!s->pool) {
        sender_stop(s);
        return NULL;
    }
    s->watch = bus_watch(bus, NULL, on_event, s);
    int why = pthread_create(&s->thread, NULL, sender_main, s);
    if (why) {
        err_sysno(e, why, "start the webhooks thread");
        sender_stop(s);
        return NULL;
    }
    s->thread_started = true;
    pthread_setname_np(s->thread, "webhooks");
    return s;
}

void sender_stop(struct sender *s)
{
    if (!s)
        return;
    bus_unwatch(s->bus, s->watch);
    atomic_store(&s->stopping, true);
    if (s->thread_started) {
        web_pool_wake(s->pool);
        pthread_join(s->thread, NULL);
    }
    web_pool_free(s->pool);
    for (struct sending *x = s->under_way, *next; x; x = next) {
        next = x->next;
        let_go(x);
    }
    for (struct sending *x = s->unsettled, *next; x; x = next) {
        next = x->next;
        free(x);
    }
    receivers_free(s->receivers);
    free(s);
}

void sender_stats(struct sender *s, struct sender_stats *ret)
{
    *ret = (struct sender_stats){
        .delivered = atomic_load(&s->delivered),
        .failed = atomic_load(&s->failed),
        .refused = atomic_load(&s->refused),
        .running = atomic_load(&s->running),
        .waiting = atomic_load(&s->waiting),
    };
}
