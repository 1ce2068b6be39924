/* SPDX-License-Identifier: Apache-2.0 */
#include "http/measure.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/metric.h"
#include "http/route.h"

/* Half a millisecond, which a cached answer takes, to a minute, which a client that waits may. */
static const int64_t seconds[] = { 500,     1000,     2500,     5000,    10000,   25000,
                                   50000,   100000,   250000,   500000,  1000000, 2500000,
                                   5000000, 10000000, 30000000, 60000000 };

static const struct metric_info infos[] = {
    { "evalx_http_request_duration_seconds",
      "From the first byte of a request until its reply was ready; of an event stream until it "
      "began.",
      METRIC_HISTOGRAM,
      METRIC_MICRO,
      { "route", "method", "status" },
      seconds,
      COUNT_OF(seconds),
      1000 },
    { .name = "evalx_http_requests_in_flight",
      .help = "Requests begun and not ended, clients that wait and event streams included.",
      .type = METRIC_GAUGE },
    { .name = "evalx_submissions_accepted_total",
      .help = "Submissions that were accepted.",
      .type = METRIC_COUNTER,
      .labels = { "face" } },
    { .name = "evalx_submissions_refused_total",
      .help = "Submissions that were refused.",
      .type = METRIC_COUNTER,
      .labels = { "reason" } },
};
enum { DURATION, IN_FLIGHT, ACCEPTED, REFUSED };

static struct metric *family(int which)
{
    return metric_family(metrics_here(), &infos[which]);
}

/* In the order of enum refusal. */
static const char *const reasons[] = { "invalid", "queue_full", "unavailable", "too_large",
                                       "unauthorized" };
static const char *const faces[] = { "native", "judge0" };

/* Looked up once: those of requests, and those of submissions, which a worker has not. */
static struct {
    struct metric *duration;
    struct metric_cell *in_flight;
} requests;
static struct {
    struct metric_cell *accepted[COUNT_OF(faces)], *refused[COUNT_OF(reasons)];
} submissions;

static void find_requests(void)
{
    requests.duration = family(DURATION);
    requests.in_flight = metric_only(family(IN_FLIGHT));
    metric_add(requests.in_flight, 0);
}

static void find_submissions(void)
{
    for (size_t i = 0; i < COUNT_OF(faces); i++)
        submissions.accepted[i] = metric_at(family(ACCEPTED), faces[i]);
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        submissions.refused[i] = metric_at(family(REFUSED), reasons[i]);
}

static void find_requests_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_requests);
}

static void find_submissions_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_submissions);
}

void measure_start(bool worker)
{
    find_requests_once();
    if (!worker)
        find_submissions_once();
}

void measure_in_flight(int64_t change)
{
    find_requests_once();
    metric_add(requests.in_flight, change);
}

/* A refusal that the handler did not count: the request never came as far as a submission. */
static void count_refusal(const struct request *r)
{
    int status = r->reply.status;
    if (status < 400 || r->counted || !r->route || !(r->route->flags & ROUTE_SUBMITS))
        return;
    enum refusal why = status == 401 || status == 403 ? REFUSED_UNAUTHORIZED
                       : status == 413                ? REFUSED_TOO_LARGE
                       : status >= 500                ? REFUSED_UNAVAILABLE
                                                      : REFUSED_INVALID;
    find_submissions_once();
    metric_add(submissions.refused[why], 1);
}

void measure_reply(const struct request *r)
{
    find_requests_once();
    char status[8];
    snprintf(status, sizeof status, "%d", r->reply.status);
    /* A method is the client's word: only those we know are told apart. */
    const char *method = r->head                     ? "HEAD"
                         : r->method == METHOD_OTHER ? "other"
                                                     : method_name(r->method);
    struct metric_cell *c =
        metric_at(requests.duration, r->route ? r->route->path : "other", method, status);
    metric_observe(c, mono_us() - r->began_us);
    count_refusal(r);
}

void measure_refused(struct request *r, enum refusal why)
{
    r->counted = true;
    find_submissions_once();
    metric_add(submissions.refused[why], 1);
}

void measure_accept(struct request *r, enum got got, const struct err *e)
{
    bool native = r->route && str_starts(str_of(r->route->path), "/v1/");
    r->counted = true;
    find_submissions_once();
    if (got == GOT_ONE)
        metric_add(submissions.accepted[native ? 0 : 1], 1);
    if (got != GOT_FAILED)
        return; /* GOT_NONE: it was accepted before */
    switch (e->kind) {
    case ERR_INVALID:
    case ERR_CONFLICT: /* a key that was used for something else */
    case ERR_NOT_FOUND:
        measure_refused(r, REFUSED_INVALID);
        break;
    case ERR_LIMIT:
        measure_refused(r, REFUSED_QUEUE_FULL);
        break;
    case ERR_NONE:
    case ERR_UNAVAILABLE:
    case ERR_SYSTEM:
    case ERR_BUG:
        measure_refused(r, REFUSED_UNAVAILABLE);
    }
}
