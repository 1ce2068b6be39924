/* SPDX-License-Identifier: Apache-2.0 */
#include "http/stream.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "http/place.h"
#include "http/render.h"

enum { LOOK_EVERY_BEATS = 4 };
static const int64_t beat_us = STREAM_BEAT_S * US_PER_S;

/* A test's result that was heard of. */
struct heard {
    struct heard *next;
    int attempt, test;
    size_t len;
    char json[];
};

struct stream {
    struct streams *all;
    struct service *service;
    struct service_watch *watch;
    struct wait *wait;
    char id[TOKEN_TEXT];

    /* the reader's */
    struct place place; /* what was put out, or had been before */
    struct buf out;     /* whole events */
    size_t sent;        /* of out */
    bool final;         /* record is there */
    struct record record;
    bool ended, had_all;
    int64_t next_beat_us;
    int beats; /* since the record was looked at */

    pthread_mutex_t lock;
    /* under lock */
    bool look; /* at the record */
    int began; /* the attempt that did, as was heard; 0: none */
    size_t bytes;
    struct heard *first, **last;
};

/* ---- hearing; in the bus's threads ---- */

static bool take_number(struct str *text, char end, int *ret)
{
    const char *at = text->len ? memchr(text->ptr, end, text->len) : NULL;
    int64_t number;
    if (!at || !parse_int((struct str){ text->ptr, (size_t)(at - text->ptr) }, &number) ||
        number < 0 || number > PLACE_NUMBER_MOST)
        return false;
    *text = (struct str){ at + 1, text->len - (size_t)(at + 1 - text->ptr) };
    *ret = (int)number;
    return true;
}

/* "ATTEMPT TEST JSON"; what is left out here is sent from the record. */
static bool hear_test(struct stream *s, struct str data)
{
    int attempt, test;
    if (!take_number(&data, ' ', &attempt) || !take_number(&data, ' ', &test) || !data.len ||
        attempt < 1 || s->bytes + sizeof(struct heard) + data.len > STREAM_BUFFER_BYTES)
        return false;
    struct heard *h = malloc(sizeof *h + data.len);
    CHECK(h);
    *h = (struct heard){ .attempt = attempt, .test = test, .len = data.len };
    memcpy(h->json, data.ptr, data.len);
    s->bytes += sizeof *h + h->len;
    *s->last = h;
    s->last = &h->next;
    return true;
}

static void hear_change(struct stream *s, struct str data)
{
    int64_t attempt;
    if (parse_int(data, &attempt) && attempt > 0 && attempt <= PLACE_NUMBER_MOST)
        s->began = (int)attempt;
    else
        s->look = true;
}

static void hear(void *arg, UNUSED const char *id, enum bus_event event, struct str data)
{
    struct stream *s = arg;
    bool news = event != BUS_CANCEL;
    pthread_mutex_lock(&s->lock);
    if (event == BUS_TEST)
        news = hear_test(s, data);
    else if (event == BUS_CHANGED)
        hear_change(s, data);
    else if (news)
        s->look = true;
    pthread_mutex_unlock(&s->lock);
    if (news)
        wait_wake(s->wait);
}

/* ---- writing ---- */

/* JSON has line breaks only where they mean nothing, and "data" lines are joined by them. */
static void put_data(struct buf *out, struct str json)
{
    while (json.len) {
        size_t len = 0;
        while (len < json.len && json.ptr[len] != '\n' && json.ptr[len] != '\r')
            len++;
        buf_add_text(out, "data: ");
        buf_add(out, json.ptr, len);
        buf_add_char(out, '\n');
        len += len < json.len;
        json = (struct str){ json.ptr + len, json.len - len };
    }
}

static void put_event(struct stream *s, const char *name, struct str json)
{
    buf_addf(&s->out, "event: %s\nid: ", name);
    place_write(&s->place, &s->out);
    buf_add_char(&s->out, '\n');
    put_data(&s->out, json);
    buf_add_char(&s->out, '\n');
}

static void put_state(struct stream *s, enum job_state state)
{
    CLEANUP(buf_done) struct buf json = { 0 };
    struct json_writer w = { .out = &json };
    json_put_object(&w);
    json_member_text(&w, "token", s->id);
    json_member_text(&w, "state", state_name(state));
    json_member_int(&w, "attempt", s->place.attempt);
    json_put_object_end(&w);
    put_event(s, "state", buf_str(&json));
}

static void now_queued(struct stream *s)
{
    if (s->place.queued || s->place.attempt)
        return;
    s->place.queued = true;
    put_state(s, STATE_QUEUED);
}

/* A later attempt runs all tests again. */
static void now_running(struct stream *s, int attempt)
{
    if (attempt <= s->place.attempt)
        return;
    s->place = (struct place){ .queued = true, .attempt = attempt };
    put_state(s, STATE_RUNNING);
}

static void put_test(struct stream *s, int test, struct str json)
{
    if (!place_has(&s->place, test) && place_add(&s->place, test))
        put_event(s, "test", json);
}

/* ---- the record ---- */

static bool is_over(const struct record *r)
{
    return r->state == STATE_FINISHED || r->state == STATE_CANCELLED;
}

static void now_final(struct stream *s)
{
    const struct result *result = s->record.result;
    int attempt = MAX(result ? result->attempt : 1, 1);
    s->final = true;
    s->had_all = s->place.finished;
    if (s->place.attempt != attempt)
        s->place = (struct place){ .queued = true, .attempt = attempt };
}

/* A reader that knows more than there is: an operator had it run anew. One attempt may be known
 * before it is written down. */
static void forget_earlier_runs(struct stream *s, const struct record *r)
{
    if (s->place.finished || s->place.attempt > r->attempts + 1)
        s->place = (struct place){ 0 };
}

/* Whole when it is final: that is loaded once, all other looks are short. */
static enum got look(struct stream *s, struct err *e)
{
    CLEANUP(record_done) struct record r = { 0 };
    s->beats = 0;
    enum got got = service_load(s->service, s->id, 0, &r, e);
    if (got == GOT_ONE && is_over(&r)) {
        got = service_load(s->service, s->id, RECORD_JOB | RECORD_RESULT, &s->record, e);
        if (got == GOT_ONE && is_over(&s->record)) {
            now_final(s);
            return got;
        }
        record_done(&s->record); /* it was opened again in between */
        s->record = (struct record){ 0 };
    }
    if (got != GOT_ONE)
        return got;
    forget_earlier_runs(s, &r);
    if (r.state == STATE_RUNNING)
        now_running(s, MAX(r.attempts, 1));
    else
        now_queued(s);
    return got;
}

static void look_again(struct stream *s)
{
    struct err e;
    enum got got = look(s, &e);
    if (got == GOT_NONE) /* deleted */
        s->ended = true;
    if (got == GOT_FAILED) {
        log_warn("stream.look_failed", "id=%s why=%s", s->id, e.text);
        s->beats = LOOK_EVERY_BEATS; /* with the next one */
    }
}

static void put_finished(struct stream *s)
{
    CLEANUP(buf_done) struct buf json = { 0 };
    struct json_writer w = { .out = &json };
    render_submission(&s->record, false, &w);
    s->place = (struct place){ .finished = true };
    put_event(s, "finished", buf_str(&json));
    s->ended = true;
}

/* One more event of a final record. */
static void put_rest(struct stream *s)
{
    CLEANUP(buf_done) struct buf json = { 0 };
    const struct result *result = s->record.result;
    size_t test = (size_t)place_next(&s->place);
    if (!result || !s->record.job->has_tests || test >= result->test_count) {
        put_finished(s);
        return;
    }
    render_test(&result->tests[test], test, &json);
    put_test(s, (int)test, buf_str(&json));
}

/* ---- reading ---- */

struct news {
    bool look;
    int began;
    struct heard *heard; /* owned */
};

static bool take_news(struct stream *s, struct news *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = (struct news){ s->look, s->began, s->first };
    s->look = false;
    s->began = 0;
    if (s->first) {
        s->bytes -= sizeof *s->first + s->first->len;
        s->first = s->first->next;
        if (!s->first)
            s->last = &s->first;
    }
    pthread_mutex_unlock(&s->lock);
    return ret->look || ret->began || ret->heard;
}

static void put_heard(struct stream *s, const struct heard *h)
{
    if (!s->final)
        now_running(s, h->attempt); /* should that have been missed */
    if (h->attempt == s->place.attempt)
        put_test(s, h->test, (struct str){ h->json, h->len });
}

static void put_beat(struct stream *s)
{
    buf_add_text(&s->out, ":\n\n");
    if (++s->beats >= LOOK_EVERY_BEATS)
        look_again(s);
}

/* False: there is nothing to do. */
static bool step(struct stream *s, struct waits *ws, int64_t now_us)
{
    struct news news;
    wait_again(s->wait); /* before looking: what comes now wakes the next parking */
    if (waits_released(ws)) {
        s->ended = true;
        return true;
    }
    bool more = take_news(s, &news) || s->final;
    if (news.began && !s->final)
        now_running(s, news.began);
    if (news.look && !s->final)
        look_again(s);
    if (news.heard)
        put_heard(s, news.heard);
    else if (s->final)
        put_rest(s);
    free(news.heard);
    if (!more && now_us >= s->next_beat_us) {
        put_beat(s);
        more = true;
    }
    if (s->out.len)
        s->next_beat_us = now_us + beat_us;
    return more;
}

ssize_t stream_read(struct stream *s, struct waits *ws, int64_t now_us, char *to, size_t size)
{
    while (s->sent == s->out.len) {
        buf_reset(&s->out);
        s->sent = 0;
        if (s->ended)
            return -1;
        if (!step(s, ws, now_us))
            return 0;
    }
    size_t len = MIN(size, s->out.len - s->sent);
    memcpy(to, s->out.ptr + s->sent, len);
    s->sent += len;
    return (ssize_t)len;
}

void stream_park(struct stream *s, struct waits *ws, void (*wake)(void *arg), void *arg)
{
    wait_park(s->wait, ws, s->next_beat_us, wake, arg);
}

/* ---- beginning and end ---- */

static struct stream *stream_new(struct streams *all, struct service *service, const char *id)
{
    struct stream *s = calloc(1, sizeof *s);
    CHECK(s);
    s->all = all;
    s->service = service;
    s->last = &s->first;
    s->next_beat_us = mono_us() + beat_us;
    snprintf(s->id, sizeof s->id, "%s", id);
    pthread_mutex_init(&s->lock, NULL);
    s->wait = wait_new(service, NULL);
    return s;
}

enum got stream_open(struct streams *all, struct service *service, const char *id,
                     const char *last_id, struct stream **ret, struct err *e)
{
    if (atomic_fetch_add(&all->open, 1) >= all->most) {
        atomic_fetch_sub(&all->open, 1);
        err_set(e, ERR_LIMIT, "%d clients are being told of events already; come back later",
                all->most);
        return GOT_FAILED;
    }
    struct stream *s = stream_new(all, service, id);
    if (last_id && !place_read(str_of(last_id), &s->place))
        log_debug("stream.id_unknown", "id=%s", id);
    buf_addf(&s->out, "retry: %d\n\n", STREAM_RETRY_MS);
    s->watch = service_watch_events(service, id, hear, s); /* before looking: nothing is missed */
    enum got got = look(s, e);
    if (got == GOT_ONE)
        *ret = s;
    else
        stream_free(s);
    return got;
}

bool stream_had_all(const struct stream *s)
{
    return s->had_all;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    service_unwatch(s->service, s->watch);
    wait_free(s->wait);
    while (s->first) {
        struct heard *h = s->first;
        s->first = h->next;
        free(h);
    }
    record_done(&s->record);
    buf_done(&s->out);
    pthread_mutex_destroy(&s->lock);
    atomic_fetch_sub(&s->all->open, 1);
    free(s);
}
