/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evalx serve - the only place that knows every backend.
 *
 * Order matters: what needs privilege first (keeper, data folder), then root is given up, then
 * everything else, the socket to the world last. Stopping goes the other way round: no new work is
 * pulled, running programs finish or are given back, those who wait are answered.
 */
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/render.h"
#include "http/server.h"
#include "main/commands.h"
#include "main/notify.h"
#include "main/privilege.h"
#include "main/sandbox_side.h"
#include "main/storage.h"
#include "main/webhooks_side.h"
#include "service/service.h"

struct server {
    struct settings settings;
    struct sandbox_side sandbox; /* an API's holds the catalogue alone */
    int data_fd;
    struct storage storage;
    struct webhooks_side webhooks; /* nobody's in a worker */
    struct health_source sources[4];
    struct engine *engine; /* NULL: an API's */
    struct hint_book *hints;
    struct llm *llm; /* NULL: none is asked */
    struct result_cache *results;
    struct service *service;
    struct http *http;
};

static const char *const role_names[] = {
    [ROLE_ALL] = "all", [ROLE_API] = "api", [ROLE_WORKER] = "worker"
};

/* --data-dir VALUE is EVALX_DATA_DIR=VALUE; --data-dir=VALUE too. */
static bool options_to_environment(int argc, char **argv, struct err *e)
{
    for (int i = 0; i < argc; i++) {
        char variable[80];
        const char *option = argv[i];
        if (strncmp(option, "--", 2) != 0 || strlen(option) > 64)
            return err_set(e, ERR_INVALID, "serve: what is %s? Settings are --name value", option);
        size_t n = (size_t)snprintf(variable, sizeof variable, "%s", settings_table.prefix);
        for (option += 2; *option && *option != '='; option++)
            variable[n++] = *option == '-' ? '_' : (char)toupper((unsigned char)*option);
        variable[n] = '\0';
        const char *value = *option == '=' ? option + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value)
            return err_set(e, ERR_INVALID, "serve: %s needs a value", argv[i]);
        if (setenv(variable, value, 1) != 0)
            return err_sys(e, "serve: %s", variable);
    }
    return true;
}

static bool start_engine(struct server *v, struct err *e)
{
    struct engine_config config = settings_engine(&v->settings);
    char folder[4096];
    if ((size_t)snprintf(folder, sizeof folder, "%s/artifacts", v->settings.data_dir) >=
        sizeof folder)
        return err_set(e, ERR_INVALID, "EVALX_DATA_DIR is too long");
    if (v->settings.cache_bytes > 0 && v->settings.store != STORE_MEMORY)
        config.cache_folder = folder;
    config.shared = v->storage.builds;
    v->engine = engine_start(&config, v->sandbox.keeper, v->sandbox.catalogue, e);
    return v->engine != NULL;
}

static void raise_to(struct limits *most, const struct limits *other)
{
    for (size_t i = 0; i < limit_count; i++) {
        int64_t value = limit_get(other, &limit_infos[i]);
        if (value > limit_get(most, &limit_infos[i]))
            limit_set(most, &limit_infos[i], value);
    }
}

static bool start_service(struct server *v, struct err *e)
{
    const struct settings *s = &v->settings;
    struct judge0_config judge0 = judge0_config_default();
    judge0.max_queue_size = s->queue_max;
    if (!judge0_config_read(&judge0, environ, e))
        return false;

    v->results = result_cache_new(s->result_cache_bytes, v->storage.results);
    struct service_config config = {
        .policy = settings_policy(s),
        .queue_max = s->queue_max,
        .attempts_max = (int)s->attempts,
        .lease_us = s->lease_us,
        .drain_us = s->drain_us,
        .hints = v->hints,
        .llm = v->llm,
        .results = v->results,
        .render_test = render_test,
        .sources = v->sources,
    };
    struct limits judge0_most = judge0_config_most(&judge0);
    raise_to(&config.policy.most, &judge0_most);
    const struct storage *in = &v->storage;
    v->service =
        service_start(&config, v->sandbox.catalogue, v->engine, in->queue, in->store, in->bus, e);
    if (!v->service)
        return false;

    const struct http_config http = {
        .listen = s->listen,
        .body_bytes_max = (size_t)s->body_bytes,
        .wait_max_us = s->wait_max_us,
        .threads = (int)s->http_threads,
        .event_streams = (int)s->event_streams,
        .access_log = s->access_log,
        .version = EVALX_VERSION,
        .auth_tokens = s->auth_tokens,
        .admin_tokens = s->admin_tokens,
        .metrics_tokens = s->metrics_tokens,
        .role = role_names[s->role],
        .data_dir = s->role == ROLE_API ? NULL : s->data_dir,
        .worker = s->role == ROLE_WORKER,
        .guard = v->webhooks.guard,
        .judge0 = judge0,
        .layers = v->sandbox.layers,
        .layer_count = (size_t)v->sandbox.layer_count,
    };
    v->http = http_start(&http, v->service, e);
    if (!v->http || s->role == ROLE_WORKER)
        return v->http != NULL;
    return webhooks_side_start(&v->webhooks, s, &judge0, v->http, in->store, in->bus, e);
}

static bool check_role(const struct settings *s, struct err *e)
{
    if (s->role == ROLE_ALL || s->redis_url)
        return true;
    return err_invalid(e, "EVALX_REDIS_URL",
                       "EVALX_ROLE=%s needs EVALX_REDIS_URL: the Redis that all processes of a "
                       "deployment share, such as redis://host:6379",
                       s->role == ROLE_API ? "api" : "worker");
}

/* What runs programs: keeper first, root is given up behind it. */
static bool start_sandbox(struct server *v, struct err *e)
{
    const struct settings *s = &v->settings;
    if (!sandbox_side_start(&v->sandbox, s, false, e))
        return false;
    v->hints = hints_load(s->hints_dir, e);
    if (!v->hints || (s->hints_llm.url && !(v->llm = llm_open(&s->hints_llm, e))))
        return false;
    v->data_fd = data_dir_and_drop_root(s->data_dir, s->user, e);
    return v->data_fd >= 0;
}

/* An API runs nothing and keeps nothing here: it needs to know the languages' names. */
static bool start_without_sandbox(struct server *v, struct err *e)
{
    v->sandbox.catalogue = catalogue_describe(v->settings.languages_dir, e);
    return v->sandbox.catalogue && drop_root(v->settings.user, e);
}

static bool start(struct server *v, struct err *e)
{
    bool runs = v->settings.role != ROLE_API;
    if (!(runs ? start_sandbox(v, e) : start_without_sandbox(v, e)) ||
        !storage_open(&v->storage, &v->settings, e))
        return false;
    struct health_source *source = v->sources;
    if (v->storage.redis)
        *source++ = (struct health_source){ "redis", storage_check_redis, &v->storage };
    if (v->storage.has_history)
        *source++ = (struct health_source){ "history", storage_check_history, &v->storage };
    if (v->settings.role != ROLE_WORKER)
        *source++ = (struct health_source){ "webhooks", webhooks_side_check, v->storage.store };
    return (!runs || start_engine(v, e)) && start_service(v, e);
}

static void stop(struct server *v)
{
    if (v->service)
        service_drain(v->service); /* again, where it was drained: nothing is left to do */
    engine_stop(v->engine);
    webhooks_side_stop(&v->webhooks); /* it renders with http */
    http_stop(v->http);
    webhooks_side_done(&v->webhooks);
    service_stop(v->service);
    llm_free(v->llm);
    result_cache_free(v->results);
    hints_free(v->hints);
    storage_close(&v->storage);
    fd_close(v->data_fd);
    sandbox_side_done(&v->sandbox);
    settings_done(&v->settings);
}

static void print_ready(const struct server *v)
{
    const struct settings *s = &v->settings;
    struct engine_stats lanes = { 0 };
    char what[300];
    size_t offered = 0, all = catalogue_count(v->sandbox.catalogue);
    for (size_t i = 0; i < all; i++)
        offered += catalogue_at(v->sandbox.catalogue, i)->offered;
    if (v->engine)
        engine_stats(v->engine, &lanes);
    if (!v->storage.redis)
        snprintf(what, sizeof what, "%d lanes, %zu languages, data in %s", lanes.lanes, offered,
                 s->data_dir);
    else if (!v->engine)
        snprintf(what, sizeof what, "api, queue in Redis");
    else
        snprintf(what, sizeof what, "%s, %d lanes, %zu languages, queue in Redis",
                 role_names[s->role], lanes.lanes, offered);

    /* The port may have been chosen by the kernel: show the one that was bound. */
    const char *colon = strrchr(s->listen, ':');
    int host = colon ? (int)(colon - s->listen) : 0;
    printf("evalx: ready on http://%.*s:%d (%s)\n", host ? host : 9, host ? s->listen : "localhost",
           http_port(v->http), what);
    fflush(stdout);
}

/* ---- the end ---- */

/* Wait for a signal that ends us, at most so long; the service manager hears from us meanwhile. 0:
 * none came. */
static int wait_signal(const sigset_t *ends, int64_t wait_us)
{
    int64_t watchdog_us = notify_watchdog_us();
    int64_t until = wait_us == INT64_MAX ? INT64_MAX : mono_us() + wait_us;
    for (;;) {
        int64_t left = until == INT64_MAX ? INT64_MAX : until - mono_us();
        if (left <= 0)
            return 0;
        int64_t nap = watchdog_us ? MIN(left, watchdog_us) : MIN(left, 3600 * US_PER_S);
        const struct timespec time = us_to_timespec(nap);
        int number = sigtimedwait(ends, NULL, &time);
        if (number > 0)
            return number;
        if (watchdog_us)
            notify("WATCHDOG=1");
    }
}

struct impatience {
    struct service *service;
    const sigset_t *ends;
    atomic_bool over;
};

static void *hasten_main(void *arg)
{
    struct impatience *i = arg;
    if (wait_signal(i->ends, INT64_MAX) && !atomic_load(&i->over)) {
        log_info("server.hastened", "what=%s", "programs that still run are given back");
        service_hurry(i->service);
    }
    return NULL;
}

/* Whoever asks for the end a second time does not want to wait for programs. */
static void drain_or_hasten(struct server *v, const sigset_t *ends)
{
    struct impatience i = { .service = v->service, .ends = ends };
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, hasten_main, &i) == 0;
    service_drain(v->service);
    atomic_store(&i.over, true);
    if (started) {
        pthread_kill(thread, SIGTERM);
        pthread_join(thread, NULL);
    }
}

/*
 * Not ready any more at once. An API serves on for a while, until its load balancers have seen it,
 * before it closes its door; a worker has no door to close, so it stops pulling at once.
 */
static void leave(struct server *v, const sigset_t *ends)
{
    const struct settings *s = &v->settings;
    bool serves = s->role != ROLE_WORKER;
    service_leave(v->service);
    notify("STOPPING=1");
    if (serves && s->drain_delay_us && wait_signal(ends, s->drain_delay_us))
        service_hurry(v->service);
    if (serves)
        http_quiesce(v->http);
    drain_or_hasten(v, ends);
}

int command_serve(int argc, char **argv)
{
    struct server v = { .data_fd = -1 };
    struct err e;
    if (!options_to_environment(argc, argv, &e) || !settings_load(&v.settings, NULL, &e) ||
        !check_role(&v.settings, &e) || !webhooks_side_open(&v.webhooks, &v.settings, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
        webhooks_side_done(&v.webhooks);
        settings_done(&v.settings);
        return 2;
    }
    log_setup((enum log_level)v.settings.log_level, (enum log_format)v.settings.log_format);

    /* The signals that end us are taken by this thread alone, in sigwait(). */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);

    bool ok = start(&v, &e);
    if (ok) {
        print_ready(&v);
        log_info("server.ready", "role=%s port=%d version=%s", role_names[v.settings.role],
                 http_port(v.http), EVALX_VERSION);
        notify("READY=1");
        int number = wait_signal(&ends, INT64_MAX);
        log_info("server.stopping", "signal=%d", number);
        leave(&v, &ends);
    } else {
        fprintf(stderr, "evalx: %s\n", e.text);
    }
    stop(&v);
    return ok ? 0 : 1;
}
