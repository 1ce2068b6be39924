/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who works on the queue, and what they run. A worker says every few seconds that it is there and
 * which languages it has; a process without an engine offers what the workers do. Until the first
 * of them has spoken it accepts what the language files describe: the job waits for a worker.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "service/parts.h"

void crew_describe(struct service *s)
{
    struct buf text = { 0 };
    struct json_writer w = { .out = &text };
    json_put_array(&w);
    for (size_t i = 0; i < catalogue_count(s->catalogue); i++) {
        const struct language *l = catalogue_at(s->catalogue, i);
        if (!l->offered)
            continue;
        json_put_object(&w);
        json_put_key(&w, "id");
        json_put_text(&w, l->id);
        json_put_key(&w, "version");
        json_put_text(&w, l->version);
        json_put_object_end(&w);
    }
    json_put_array_end(&w);
    s->languages = strndup(text.ptr, text.len);
    CHECK(s->languages);
    buf_done(&text);
}

static int running(struct service *s)
{
    int count = 0;
    pthread_mutex_lock(&s->lock);
    for (const struct active *a = s->active; a; a = a->next)
        count++;
    pthread_mutex_unlock(&s->lock);
    return count;
}

void crew_announce(struct service *s)
{
    struct engine_stats lanes;
    struct err e;
    engine_stats(s->engine, &lanes);
    struct queue_worker w = {
        .slots = lanes.lanes,
        .running = running(s),
        .started_us = s->started_us,
        .seen_us = wall_us(),
        .languages = s->languages,
    };
    outage_note(&s->no_announcing, queue_announce(s->queue, &w, &e), "worker.announce", &e);
}

/* ---- what others run ---- */

enum { OFFERS_MAX = 512 };

struct learning {
    struct json *documents[OFFERS_MAX]; /* the offers borrow their texts */
    size_t document_count;
    struct offer offers[OFFERS_MAX];
    size_t count;
};

static const char *text_of(const struct json *node, const char *key)
{
    const struct json *value = json_get(node, key);
    return value && json_kind(value) == JSON_TEXT ? json_as_str(value).ptr : NULL;
}

static void learn_language(struct learning *l, const char *id, const char *version)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->offers[i].id, id) == 0)
            return;
    if (l->count < OFFERS_MAX)
        l->offers[l->count++] = (struct offer){ id, version };
}

static void learn_worker(void *arg, const struct queue_worker *w)
{
    struct learning *l = arg;
    struct err e;
    struct json *list = json_parse(str_of(w->languages ? w->languages : "[]"), &e);
    if (!list || l->document_count == OFFERS_MAX) {
        json_free(list);
        return;
    }
    l->documents[l->document_count++] = list;
    for (size_t i = 0; i < json_count(list); i++) {
        const char *id = text_of(json_at(list, i), "id");
        if (id)
            learn_language(l, id, text_of(json_at(list, i), "version"));
    }
}

static struct learning *learn(struct service *s, struct err *e)
{
    struct learning *l = calloc(1, sizeof *l);
    CHECK(l);
    if (queue_workers(s->queue, learn_worker, l, e))
        return l;
    for (size_t i = 0; i < l->document_count; i++)
        json_free(l->documents[i]);
    free(l);
    return NULL;
}

static void forget(struct learning *l)
{
    for (size_t i = 0; l && i < l->document_count; i++)
        json_free(l->documents[i]);
    free(l);
}

/* With every worker gone their last word stands: they come back, or others like them. */
void crew_learn(struct service *s)
{
    struct err e;
    struct learning *l = learn(s, &e);
    outage_note(&s->no_learning, l != NULL, "workers.learn", &e);
    if (l && l->count)
        catalogue_offer(s->catalogue, l->offers, l->count);
    pthread_mutex_lock(&s->lock);
    s->offers_known = s->offers_known || (l && l->count);
    pthread_mutex_unlock(&s->lock);
    forget(l);
}

bool crew_runs(struct service *s, const char *language, bool *ret, struct err *e)
{
    struct learning *l = learn(s, e);
    if (!l)
        return false;
    *ret = false;
    for (size_t i = 0; i < l->count; i++)
        *ret = *ret || strcmp(l->offers[i].id, language) == 0;
    forget(l);
    return true;
}
