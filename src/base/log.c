/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format is walked here and not by vsnprintf(), so that it stays known which bytes of a line
 * are ours and which are a value: values may hold spaces, quotes, control characters or anything
 * else without ever becoming a field, a line, or JSON that is none.
 */
#include "base/log.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/metric.h"

static enum log_level log_level = LOG_INFO;
static enum log_format log_format = LOG_TEXT;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

/* ---- counting ---- */

static const struct metric_info lines_info = {
    .name = "evalx_log_lines_total",
    .help = "Lines of the log.",
    .type = METRIC_COUNTER,
    .labels = { "level" },
};
static struct metric_cell *lines[COUNT_OF(level_names)];

static void find_lines(void)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++)
        lines[i] = metric_at(metric_family(metrics_here(), &lines_info), level_names[i]);
}

static void find_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_lines);
}

static void count_line(enum log_level level)
{
    find_once();
    if (level <= LOG_ERROR)
        metric_add(lines[level], 1);
}

/* ---- settings ---- */

void log_setup(enum log_level level, enum log_format format)
{
    find_once(); /* on the page from the start */
    log_level = level;
    log_format = format;
}

bool log_wants(enum log_level level)
{
    return level >= log_level;
}

/* ---- values ---- */

/* In a struct, since a va_list itself is an array on some machines and none on others: only so a
 * function can take from it for its caller. */
struct arguments {
    va_list list;
};

/* One conversion of a format: "%-*.3lld" is more than there is here. */
struct conversion {
    char kind;     /* d u x f s c %, or one of their relatives */
    int precision; /* -1: none */
    char size;     /* 0, 'l', 'L' (ll) or 'z' */
};

struct value {
    char text[LOG_VALUE_BYTES + 1];
    size_t len;
    bool number; /* a number and nothing else */
};

static void value_add(struct value *v, const char *text, size_t len)
{
    size_t room = LOG_VALUE_BYTES - v->len;
    if (len > room) /* not in the middle of a character */
        for (len = room; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
            ;
    memcpy(v->text + v->len, text, len);
    v->len += len;
}

static const char *conversion_read(const char *p, struct arguments *args, struct conversion *ret)
{
    struct conversion c = { .precision = -1 };
    if (*p == '.') {
        p++;
        c.precision = 0;
        if (*p == '*') {
            c.precision = va_arg(args->list, int);
            p++;
        }
        while (*p >= '0' && *p <= '9')
            c.precision = 10 * c.precision + (*p++ - '0');
    }
    if (*p == 'l' || *p == 'z')
        c.size = *p++;
    if (*p == 'l') {
        c.size = 'L';
        p++;
    }
    c.kind = *p;
    CHECK(c.kind && strchr("diuxfegsc%", c.kind));
    *ret = c;
    return p + 1;
}

static void add_signed(struct value *v, char size, struct arguments *args)
{
    char text[32];
    long long n = size == 'L'   ? va_arg(args->list, long long)
                  : size == 'l' ? va_arg(args->list, long)
                  : size == 'z' ? va_arg(args->list, ssize_t)
                                : va_arg(args->list, int);
    value_add(v, text, (size_t)snprintf(text, sizeof text, "%lld", n));
}

static void add_unsigned(struct value *v, char size, bool hex, struct arguments *args)
{
    char text[32];
    unsigned long long n = size == 'L'   ? va_arg(args->list, unsigned long long)
                           : size == 'l' ? va_arg(args->list, unsigned long)
                           : size == 'z' ? va_arg(args->list, size_t)
                                         : va_arg(args->list, unsigned);
    value_add(v, text, (size_t)snprintf(text, sizeof text, hex ? "%llx" : "%llu", n));
    v->number = v->number && !hex;
}

/* JSON has no infinity: what is no number is a text then. */
static void add_double(struct value *v, char kind, int precision, struct arguments *args)
{
    char text[400];
    double d = va_arg(args->list, double);
    if (precision < 0)
        precision = 6;
    int len = kind == 'f'   ? snprintf(text, sizeof text, "%.*f", precision, d)
              : kind == 'e' ? snprintf(text, sizeof text, "%.*e", precision, d)
                            : snprintf(text, sizeof text, "%.*g", precision, d);
    value_add(v, text, MIN((size_t)len, sizeof text - 1));
    v->number = v->number && isfinite(d);
}

static void add_text(struct value *v, int precision, struct arguments *args)
{
    const char *text = va_arg(args->list, const char *);
    v->number = false;
    if (text)
        value_add(v, text, precision < 0 ? strlen(text) : strnlen(text, (size_t)precision));
}

static void add_conversion(struct value *v, const struct conversion *c, struct arguments *args)
{
    char one;
    switch (c->kind) {
    case 'd':
    case 'i':
        add_signed(v, c->size, args);
        break;
    case 'u':
    case 'x':
        add_unsigned(v, c->size, c->kind == 'x', args);
        break;
    case 'f':
    case 'e':
    case 'g':
        add_double(v, c->kind, c->precision, args);
        break;
    case 's':
        add_text(v, c->precision, args);
        break;
    default:
        one = c->kind == 'c' ? (char)va_arg(args->list, int) : '%';
        value_add(v, &one, 1);
        v->number = false;
        break;
    }
}

/* Up to the next separator of the format; ret_given: false when there is nothing to be said. */
static const char *value_read(struct value *v, const char *p, struct arguments *args,
                              bool *ret_given)
{
    bool alone = *p == '%';
    size_t conversions = 0, plain = 0;
    v->len = 0;
    v->number = alone;
    while (*p && *p != ' ') {
        if (*p == '%') {
            struct conversion c;
            p = conversion_read(p + 1, args, &c);
            add_conversion(v, &c, args);
            conversions++;
        } else {
            value_add(v, p++, 1);
            plain++;
        }
    }
    alone = alone && conversions == 1 && plain == 0;
    v->number = v->number && alone;
    *ret_given = v->len > 0 || !alone;
    return p;
}

/* ---- lines ---- */

static void put_text(struct buf *line, struct str value)
{
    bool plain = value.len > 0;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] > '~' || value.ptr[i] == '"' ||
            value.ptr[i] == '\\')
            plain = false;
    if (plain)
        buf_add_str(line, value);
    else
        json_escape(line, value);
}

void log_fields(struct buf *line, enum log_format format, const char *fmt, va_list args)
{
    struct value v;
    struct arguments rest;
    va_copy(rest.list, args);
    for (const char *p = fmt; *p; p += *p == ' ') {
        size_t len = strcspn(p, "=");
        struct str key = { p, len };
        bool given;
        CHECK(len > 0 && p[len] == '=' && !memchr(p, ' ', len) && !memchr(p, '%', len));
        p = value_read(&v, p + len + 1, &rest, &given);
        if (!given)
            continue;
        struct str value = { v.text, v.len };
        if (format == LOG_TEXT) {
            buf_addf(line, " %.*s=", STR_FMT(key));
            put_text(line, value);
        } else {
            buf_addf(line, ",\"%.*s\":", STR_FMT(key));
            if (v.number)
                buf_add_str(line, value);
            else
                json_escape(line, value);
        }
    }
    va_end(rest.list);
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    if (!log_wants(level))
        return;

    char now[32];
    count_line(level);
    wall_text(wall_us(), now, sizeof now);
    CLEANUP(buf_done) struct buf line = { 0 };
    buf_reserve(&line, 512);
    if (log_format == LOG_JSON)
        buf_addf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", now,
                 level_names[level], event);
    else
        buf_addf(&line, "%s %s %s", now, level_names[level], event);
    va_list args;
    va_start(args, fmt);
    log_fields(&line, log_format, fmt, args);
    va_end(args);
    buf_add_text(&line, log_format == LOG_JSON ? "}\n" : "\n");

    /* Nothing sensible is left to do when standard error is gone. */
    if (write(STDERR_FILENO, line.ptr, line.len) < 0)
        return;
}
