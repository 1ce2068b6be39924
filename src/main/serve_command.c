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
#include <unistd.h>

#include "base/log.h"
#include "drivers/sqlite.h"
#include "http/render.h"
#include "http/server.h"
#include "main/commands.h"
#include "main/privilege.h"
#include "main/sandbox_side.h"
#include "service/service.h"

struct server {
    struct settings settings;
    struct sandbox_side sandbox;
    int data_fd;
    struct db *db; /* NULL: in memory */
    struct store *store;
    struct queue *queue;
    struct bus *bus;
    struct engine *engine;
    struct hint_book *hints;
    struct service *service;
    struct http *http;
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

static bool open_storage(struct server *v, struct err *e)
{
    const struct settings *s = &v->settings;
    const struct queue_config queue_config = { .lease_us = s->lease_us };
    const struct store_config store_config = { .retention_us = s->retention_us };
    v->bus = bus_local_open();
    if (s->store == STORE_MEMORY) {
        v->queue = queue_memory_open(&queue_config);
        v->store = store_memory_open(&store_config);
        return true;
    }
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/evalx.db", s->data_dir) >= sizeof path)
        return err_set(e, ERR_INVALID, "EVALX_DATA_DIR is too long");
    return (v->db = db_open(path, e)) && (v->store = store_sqlite_open(v->db, &store_config, e)) &&
           (v->queue = queue_sqlite_open(v->db, &queue_config, e));
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

    struct service_config config = {
        .policy = settings_policy(s),
        .queue_max = s->queue_max,
        .attempts_max = (int)s->attempts,
        .lease_us = s->lease_us,
        .drain_us = s->drain_us,
        .hints = v->hints,
        .render_test = render_test,
    };
    struct limits judge0_most = judge0_config_most(&judge0);
    raise_to(&config.policy.most, &judge0_most);
    v->service =
        service_start(&config, v->sandbox.catalogue, v->engine, v->queue, v->store, v->bus, e);
    if (!v->service)
        return false;

    const struct http_config http = {
        .listen = s->listen,
        .body_bytes_max = (size_t)s->body_bytes,
        .wait_max_us = s->wait_max_us,
        .threads = (int)s->http_threads,
        .version = EVALX_VERSION,
        .auth_tokens = s->auth_tokens,
        .admin_tokens = s->admin_tokens,
        .judge0 = judge0,
        .layers = v->sandbox.layers,
        .layer_count = (size_t)v->sandbox.layer_count,
    };
    v->http = http_start(&http, v->service, e);
    return v->http != NULL;
}

static bool start(struct server *v, struct err *e)
{
    const struct settings *s = &v->settings;
    if (!sandbox_side_start(&v->sandbox, s, false, e))
        return false;
    v->hints = hints_load(s->hints_dir, e);
    if (!v->hints)
        return false;
    v->data_fd = data_dir_and_drop_root(s->data_dir, s->user, e);
    return v->data_fd >= 0 && open_storage(v, e) && start_engine(v, e) && start_service(v, e);
}

static void stop(struct server *v)
{
    if (v->service)
        service_drain(v->service);
    engine_stop(v->engine);
    http_stop(v->http);
    service_stop(v->service);
    hints_free(v->hints);
    bus_close(v->bus);
    queue_close(v->queue);
    store_close(v->store);
    db_close(v->db);
    fd_close(v->data_fd);
    sandbox_side_done(&v->sandbox);
    settings_done(&v->settings);
}

static void print_ready(const struct server *v)
{
    struct engine_stats lanes;
    size_t offered = 0, all = catalogue_count(v->sandbox.catalogue);
    for (size_t i = 0; i < all; i++)
        offered += catalogue_at(v->sandbox.catalogue, i)->offered;
    engine_stats(v->engine, &lanes);

    /* The port may have been chosen by the kernel: show the one that was bound. */
    const char *colon = strrchr(v->settings.listen, ':');
    int host = colon ? (int)(colon - v->settings.listen) : 0;
    printf("evalx: ready on http://%.*s:%d (%d lanes, %zu languages, data in %s)\n",
           host ? host : 9, host ? v->settings.listen : "localhost", http_port(v->http),
           lanes.lanes, offered, v->settings.data_dir);
    fflush(stdout);
}

int command_serve(int argc, char **argv)
{
    struct server v = { .data_fd = -1 };
    struct err e;
    if (!options_to_environment(argc, argv, &e) || !settings_load(&v.settings, NULL, &e)) {
        fprintf(stderr, "evalx: %s\n", e.text);
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
        int signal_number;
        sigwait(&ends, &signal_number);
        log_info("stopping", "signal=%d", signal_number);
    } else {
        fprintf(stderr, "evalx: %s\n", e.text);
    }
    stop(&v);
    return ok ? 0 : 1;
}
