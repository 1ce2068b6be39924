/* SPDX-License-Identifier: Apache-2.0 */
#include "service/parts.h"

struct handoff_entry {
    struct handoff_entry *next;
    struct job *job;
    size_t bytes;
};

void handoff_init(struct handoff *h, size_t bytes_max)
{
    pthread_mutex_init(&h->lock, NULL);
    h->bytes_max = bytes_max;
}

void handoff_done(struct handoff *h)
{
    for (size_t i = 0; i < HANDOFF_BUCKETS; i++) {
        for (struct handoff_entry *x = h->buckets[i], *next; x; x = next) {
            next = x->next;
            job_free(x->job);
            free(x);
        }
    }
    pthread_mutex_destroy(&h->lock);
}

/* Tokens are random: a few of their digits are a good hash. */
static struct handoff_entry **bucket_of(struct handoff *h, const char *id)
{
    unsigned v = 0;
    for (int i = 0; i < 8 && id[i]; i++)
        v = v * 31 + (unsigned char)id[i];
    return &h->buckets[v % HANDOFF_BUCKETS];
}

/* Near enough for a bound: what clients choose, and a page for the rest. */
static size_t job_bytes(const struct job *job)
{
    size_t bytes = 4096;
    for (size_t i = 0; i < job->file_count; i++)
        bytes += job->files[i].content.len;
    for (size_t i = 0; i < job->test_count; i++)
        bytes += sizeof job->tests[i] + job->tests[i].stdin_data.len + job->tests[i].expected.len;
    return bytes;
}

void handoff_put(struct handoff *h, struct job *job)
{
    size_t bytes = job_bytes(job);
    struct handoff_entry *x = NULL;

    pthread_mutex_lock(&h->lock);
    if (h->bytes + bytes <= h->bytes_max && (x = malloc(sizeof *x))) {
        struct handoff_entry **bucket = bucket_of(h, job->id);
        *x = (struct handoff_entry){ *bucket, job, bytes };
        *bucket = x;
        h->bytes += bytes;
    }
    pthread_mutex_unlock(&h->lock);
    if (!x)
        job_free(job);
}

struct job *handoff_take(struct handoff *h, const char *id)
{
    struct job *job = NULL;
    pthread_mutex_lock(&h->lock);
    for (struct handoff_entry **at = bucket_of(h, id); *at; at = &(*at)->next) {
        struct handoff_entry *x = *at;
        if (strcmp(x->job->id, id) != 0)
            continue;
        job = x->job;
        h->bytes -= x->bytes;
        *at = x->next;
        free(x);
        break;
    }
    pthread_mutex_unlock(&h->lock);
    return job;
}
