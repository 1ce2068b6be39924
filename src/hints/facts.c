/* SPDX-License-Identifier: Apache-2.0 */
#include "hints/facts.h"

#include "base/attr.h"

enum { TEXT_BYTES = 64 * 1024 };

static struct str first_of(struct str s)
{
    return (struct str){ s.ptr, MIN(s.len, (size_t)TEXT_BYTES) };
}

/* What matters of a program's messages stands at their end. */
static struct str last_of(struct str s)
{
    size_t kept = MIN(s.len, (size_t)TEXT_BYTES);
    return (struct str){ s.ptr ? s.ptr + (s.len - kept) : NULL, kept };
}

static struct str source_of(const struct job *job)
{
    const struct job_file *file = job->file_count ? &job->files[0] : NULL;
    for (size_t i = 0; job->entrypoint && i < job->file_count; i++)
        if (job->files[i].path && strcmp(job->files[i].path, job->entrypoint) == 0)
            file = &job->files[i];
    return file ? file->content : STR_NULL;
}

static size_t count_lines(struct str s)
{
    size_t lines = 0;
    const char *end = s.ptr + s.len;
    for (const char *p = s.ptr; p && p < end; lines++) {
        const char *next = memchr(p, '\n', (size_t)(end - p));
        p = next ? next + 1 : end;
    }
    return lines;
}

static bool gather_run(const struct job *job, const struct result *result, struct facts *f)
{
    size_t i = 0;
    while (i < result->test_count && result->tests[i].outcome.verdict != result->verdict)
        i++;
    if (i == result->test_count)
        return false;
    const struct outcome *o = &result->tests[i].outcome;
    f->phase = PHASE_RUN;
    f->outcome = o;
    f->test = result->tests[i].id;
    f->idle = o->cpu_us < o->wall_us / 20;
    f->texts[TEXT_STDOUT] = last_of(o->out);
    f->texts[TEXT_STDERR] = job->merge_stderr ? last_of(o->out) : last_of(o->err);
    if (o->verdict == VERDICT_WRONG_ANSWER && i < job->test_count && !o->out_cut)
        f->difference = difference_find(job->tests[i].expected, o->out);
    return true;
}

bool facts_gather(const struct job *job, const struct result *result, struct facts *ret)
{
    struct facts f = { .verdict = result->verdict };
    f.texts[TEXT_SOURCE] = source_of(job);
    f.source_lines = count_lines(f.texts[TEXT_SOURCE]);
    f.texts[TEXT_SOURCE] = first_of(f.texts[TEXT_SOURCE]);
    f.texts[TEXT_COMPILE] = first_of(result->compile.out);
    switch (result->verdict) {
    case VERDICT_COMPILE_ERROR:
        f.phase = PHASE_COMPILE;
        f.outcome = &result->compile;
        break;
    case VERDICT_WRONG_ANSWER:
    case VERDICT_CPU_TIME_LIMIT:
    case VERDICT_WALL_TIME_LIMIT:
    case VERDICT_MEMORY_LIMIT:
    case VERDICT_OUTPUT_LIMIT:
    case VERDICT_RUNTIME_ERROR:
        if (!gather_run(job, result, &f))
            return false;
        break;
    case VERDICT_NONE:
    case VERDICT_ACCEPTED:
    case VERDICT_CHECKER_ERROR:
    case VERDICT_CANCELLED:
    case VERDICT_INTERNAL_ERROR:
    case VERDICT_SKIPPED:
    case VERDICT_COUNT:
    default:
        return false;
    }
    *ret = f;
    return true;
}

bool facts_fit(const struct facts *f, const struct pattern *p)
{
    const struct outcome *o = f->outcome;
    int code = o->exit_code;
    return p->phase == f->phase && (!p->verdicts || (p->verdicts >> f->verdict & 1)) &&
           (!p->limit || (o->limit && strcmp(o->limit, p->limit) == 0)) &&
           (!p->signals || (o->signal > 0 && o->signal < 64 && (p->signals >> o->signal & 1))) &&
           (p->any_exit || (code >= 0 && code < 256 && (p->exits[code / 64] >> code % 64 & 1))) &&
           (p->idle < 0 || p->idle == f->idle) &&
           (!p->differences || (p->differences >> f->difference.kind & 1));
}
