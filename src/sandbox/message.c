/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/message.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum { FILES_MAX = 8192, COLLECT_MAX = 64 };

static bool truncated(struct err *e, const char *what)
{
    return err_set(e, ERR_BUG, "a %s message that makes no sense", what);
}

static void *array_of(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    CHECK(p != NULL);
    return p;
}

void layers_put(struct wire *w, const struct layers *l)
{
    wire_put_int(w, l->count);
    for (int i = 0; i < l->count; i++) {
        wire_put_text(w, l->at[i].name);
        wire_put_int(w, l->at[i].ok);
        wire_put_int(w, l->at[i].weak);
        wire_put_text(w, l->at[i].detail);
        wire_put_text(w, l->at[i].fix);
    }
}

/* struct layer borrows its name, so what comes over the wire is looked up among those we know. */
static const char *layer_name(const char *name)
{
    static const char *const names[] = {
        "cgroup",
        "core",
        "namespaces",
        "shared memory limits",
        "devices",
        "files",
        "user namespace",
        "root",
        "process namespace",
        "nested spaces",
        "keeper",
        "writable space",
        "system call filter",
        "trivial program",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0)
            return names[i];
    return "layer";
}

void layers_get(struct wire *w, struct layers *ret)
{
    ret->count = (int)wire_get_range(w, 0, LAYERS_MAX);
    for (int i = 0; i < ret->count; i++) {
        struct layer *l = &ret->at[i];
        l->name = layer_name(wire_get_text(w));
        l->ok = wire_get_int(w) != 0;
        l->weak = wire_get_int(w) != 0;
        snprintf(l->detail, sizeof l->detail, "%s", wire_get_text(w));
        snprintf(l->fix, sizeof l->fix, "%s", wire_get_text(w));
    }
}

const struct layer *layers_broken(const struct layers *l)
{
    for (int i = 0; i < l->count; i++)
        if (!l->at[i].ok)
            return &l->at[i];
    return NULL;
}

void config_put(struct wire *w, const struct keeper_config *c)
{
    wire_put_int(w, c->cgroup);
    wire_put_text(w, c->cgroup_root ? c->cgroup_root : "");
    wire_put_int(w, c->first_core);
    wire_put_int(w, c->disk_bytes);
    wire_put_texts(w, c->etc);
    wire_put_texts(w, c->mounts);
}

bool config_get(struct wire *w, struct config_held *ret, struct err *e)
{
    *ret = (struct config_held){ 0 };
    ret->config.cgroup = (enum cgroup_want)wire_get_range(w, CGROUP_AUTO, CGROUP_NONE);
    ret->config.cgroup_root = wire_get_text(w); /* the message's, which outlives us */
    ret->config.first_core = (int)wire_get_range(w, 0, 4095);
    ret->config.disk_bytes = wire_get_range(w, 0, INT64_MAX);
    ret->etc = wire_get_texts(w);
    ret->mounts = wire_get_texts(w);
    ret->config.etc = (const char *const *)ret->etc;
    ret->config.mounts = (const char *const *)ret->mounts;
    if (wire_ok(w))
        return true;
    config_held_done(ret);
    return truncated(e, "configuration");
}

void config_held_done(struct config_held *c)
{
    free(c->etc);
    free(c->mounts);
    *c = (struct config_held){ 0 };
}

void setup_put(struct wire *w, const struct lane_setup *s)
{
    wire_put_int(w, s->lane);
    wire_put_int(w, s->cpu);
    wire_put_int(w, s->tree.version);
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        wire_put_text(w, s->tree.path[i]);
    wire_put_text(w, s->cgroup);
    wire_put_int(w, s->user_ns);
    wire_put_int(w, s->one_user);
    wire_put_int(w, s->root_uid);
    wire_put_int(w, s->first_uid);
    wire_put_int(w, s->uid_count);
    config_put(w, &s->held.config);
}

bool setup_get(struct wire *w, struct lane_setup *ret, struct err *e)
{
    *ret = (struct lane_setup){ 0 };
    ret->lane = (int)wire_get_range(w, 0, INT_MAX);
    ret->cpu = (int)wire_get_range(w, -1, 4095);
    ret->tree.version = (enum cgroup_version)wire_get_range(w, CGROUPS_NONE, CGROUPS_V2);
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        snprintf(ret->tree.path[i], CGROUP_PATH, "%s", wire_get_text(w));
    snprintf(ret->cgroup, sizeof ret->cgroup, "%s", wire_get_text(w));
    ret->user_ns = wire_get_int(w) != 0;
    ret->one_user = wire_get_int(w) != 0;
    ret->root_uid = (uid_t)wire_get_range(w, 0, INT_MAX);
    ret->first_uid = (uid_t)wire_get_range(w, 0, INT_MAX);
    ret->uid_count = (int)wire_get_range(w, 1, 65536);
    return config_get(w, &ret->held, e);
}

static void limits_put(struct wire *w, const struct box_limits *l)
{
    wire_put_int(w, l->cpu_us);
    wire_put_int(w, l->cpu_extra_us);
    wire_put_int(w, l->wall_us);
    wire_put_int(w, l->memory_bytes);
    wire_put_int(w, l->stack_bytes);
    wire_put_int(w, l->output_bytes);
    wire_put_int(w, l->file_bytes);
    wire_put_int(w, l->disk_bytes);
    wire_put_int(w, l->processes);
    wire_put_int(w, l->open_files);
}

static void limits_get(struct wire *w, struct box_limits *l)
{
    const int64_t years = INT64_MAX / 4; /* sums of limits must not overflow */
    l->cpu_us = wire_get_range(w, 0, years);
    l->cpu_extra_us = wire_get_range(w, 0, years);
    l->wall_us = wire_get_range(w, 1, years);
    l->memory_bytes = wire_get_range(w, 1, years);
    l->stack_bytes = wire_get_range(w, 0, years);
    l->output_bytes = wire_get_range(w, 0, 1 << 30);
    l->file_bytes = wire_get_range(w, 0, years);
    l->disk_bytes = wire_get_range(w, 0, years);
    l->processes = (int)wire_get_range(w, 1, 1 << 20);
    l->open_files = (int)wire_get_range(w, 0, 1 << 20);
}

void plan_put(struct wire *w, const struct plan *p)
{
    wire_put_texts(w, p->argv);
    wire_put_texts(w, p->env);
    limits_put(w, &p->limits);
    wire_put_int(w, p->merge_stderr);
    wire_put_int(w, p->all_cores);
    wire_put_int(w, p->keep);
    wire_put_int(w, p->on_waiting != NULL);
    wire_put_int(w, p->exe_fd >= 0);
    if (p->exe_fd >= 0)
        wire_put_fd(w, p->exe_fd);
    wire_put_int(w, p->stdin_fd >= 0);
    if (p->stdin_fd >= 0)
        wire_put_fd(w, p->stdin_fd);
    wire_put_int(w, (int64_t)p->file_count);
    for (size_t i = 0; i < p->file_count; i++) {
        wire_put_text(w, p->files[i].path);
        wire_put_int(w, p->files[i].mode);
        wire_put_fd(w, p->files[i].fd);
    }
    wire_put_int(w, (int64_t)p->collect_count);
    for (size_t i = 0; i < p->collect_count; i++) {
        wire_put_text(w, p->collect[i].pattern);
        wire_put_int(w, p->collect[i].file_bytes);
        wire_put_int(w, p->collect[i].total_bytes);
        wire_put_int(w, p->collect[i].files);
    }
}

/* Texts are borrowed from the message, which outlives the run; only the arrays are owned. */
static void files_get(struct wire *w, struct plan_held *ret)
{
    size_t count = (size_t)wire_get_range(w, 0, FILES_MAX);
    ret->files = array_of(count, sizeof *ret->files);
    for (size_t i = 0; i < count && wire_ok(w); i++) {
        ret->files[i].path = wire_get_text(w);
        ret->files[i].mode = (mode_t)wire_get_range(w, 0, 0777);
        ret->files[i].fd = wire_take_fd(w);
        ret->plan.file_count++;
    }
    ret->plan.files = ret->files;
    size_t patterns = (size_t)wire_get_range(w, 0, COLLECT_MAX);
    ret->collect = array_of(patterns, sizeof *ret->collect);
    for (size_t i = 0; i < patterns; i++) {
        ret->collect[i].pattern = wire_get_text(w);
        ret->collect[i].file_bytes = wire_get_range(w, 0, INT64_MAX);
        ret->collect[i].total_bytes = wire_get_range(w, 0, INT64_MAX);
        ret->collect[i].files = (int)wire_get_range(w, 0, FILES_MAX);
    }
    ret->plan.collect = ret->collect;
    ret->plan.collect_count = patterns;
}

bool plan_get(struct wire *w, struct plan_held *ret, struct err *e)
{
    *ret = (struct plan_held){ .plan = { .exe_fd = -1, .stdin_fd = -1 } };
    struct plan *p = &ret->plan;
    ret->argv = wire_get_texts(w);
    ret->env = wire_get_texts(w);
    p->argv = (const char *const *)ret->argv;
    p->env = (const char *const *)ret->env;
    limits_get(w, &p->limits);
    p->merge_stderr = wire_get_int(w) != 0;
    p->all_cores = wire_get_int(w) != 0;
    p->keep = wire_get_int(w) != 0;
    p->report_waiting = wire_get_int(w) != 0;
    if (wire_get_int(w) != 0)
        p->exe_fd = wire_take_fd(w);
    if (wire_get_int(w) != 0)
        p->stdin_fd = wire_take_fd(w);
    files_get(w, ret);
    if (wire_ok(w) && p->argv[0])
        return true;
    plan_held_done(ret);
    return truncated(e, "plan");
}

void plan_held_done(struct plan_held *p)
{
    free(p->argv);
    free(p->env);
    for (size_t i = 0; i < p->plan.file_count; i++)
        fd_close(p->files[i].fd);
    free(p->files);
    free(p->collect);
    fd_close(p->plan.exe_fd);
    fd_close(p->plan.stdin_fd);
    *p = (struct plan_held){ .plan = { .exe_fd = -1, .stdin_fd = -1 } };
}

void report_put(struct wire *w, const struct report *r)
{
    wire_put_int(w, r->end);
    wire_put_int(w, r->exit_code);
    wire_put_int(w, r->signal);
    wire_put_int(w, r->exec_errno);
    wire_put_int(w, r->wall_us);
    wire_put_int(w, r->cpu_us);
    wire_put_int(w, r->memory_bytes);
    wire_put_int(w, r->from_rusage);
    wire_put_str(w, buf_str(&r->out));
    wire_put_str(w, buf_str(&r->err));
    wire_put_int(w, r->out_cut);
    wire_put_int(w, r->err_cut);
    wire_put_int(w, (int64_t)r->file_count);
    for (size_t i = 0; i < r->file_count; i++) {
        wire_put_text(w, r->files[i].path);
        wire_put_int(w, r->files[i].size);
        wire_put_int(w, r->files[i].mode);
        wire_put_fd(w, r->files[i].fd);
    }
    wire_put_int(w, r->files_cut);
    wire_put_int(w, r->overhead_us);
}

bool report_get(struct wire *w, struct report *ret, struct err *e)
{
    struct report r = { 0 };
    r.end = (enum report_end)wire_get_range(w, END_CANCELLED, END_NO_EXEC);
    r.exit_code = (int)wire_get_range(w, 0, 255);
    r.signal = (int)wire_get_range(w, 0, 127);
    r.exec_errno = (int)wire_get_range(w, 0, 4096);
    r.wall_us = wire_get_int(w);
    r.cpu_us = wire_get_int(w);
    r.memory_bytes = wire_get_int(w);
    r.from_rusage = wire_get_int(w) != 0;
    buf_add_str(&r.out, wire_get_str(w));
    buf_add_str(&r.err, wire_get_str(w));
    r.out_cut = wire_get_int(w) != 0;
    r.err_cut = wire_get_int(w) != 0;
    size_t count = (size_t)wire_get_range(w, 0, FILES_MAX);
    r.files = count > 0 ? array_of(count, sizeof *r.files) : NULL;
    for (size_t i = 0; i < count && wire_ok(w); i++) {
        r.files[i].path = strdup(wire_get_text(w));
        CHECK(r.files[i].path != NULL);
        r.files[i].size = wire_get_range(w, 0, INT64_MAX);
        r.files[i].mode = (mode_t)wire_get_range(w, 0, 0777);
        r.files[i].fd = wire_take_fd(w);
        r.file_count++;
    }
    r.files_cut = wire_get_int(w) != 0;
    r.overhead_us = wire_get_int(w);
    if (!wire_ok(w)) {
        report_done(&r);
        return truncated(e, "report");
    }
    *ret = r;
    return true;
}
