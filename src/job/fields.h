/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields.h - objects of the job's JSON form, read by tables. Internal to job/.
 *
 * One table per object, one small reader per key. A key that stands for null is as good as absent;
 * a key that is not in the table is an error that offers the nearest one. All readers of values
 * return false with a sentence that names the field, and change nothing then.
 */
#ifndef EVALX_JOB_FIELDS_H
#define EVALX_JOB_FIELDS_H

#include "job/job.h"

enum {
    WORDS_MOST = 256,        /* entries of args, compiler_options, env */
    WORDS_BYTES = 32 * 1024, /* and their bytes together */
    NAME_BYTES = 255,        /* ids, languages, paths */
};

struct reader {
    struct job *job;
    bool stored; /* the store's form, not a client's */
    bool single; /* stored: tests[] was not the client's */
    struct err *e;
    const struct json *from;   /* the object whose keys are being read */
    char where[32];            /* "" or "tests[3]." */
    const struct field *table; /* of that object */
    struct job_test *test;     /* the test that is being read; top-level: the single one */
    struct job_file *file;
};

enum key_use {
    KEY_ANY,
    KEY_STORED, /* set by the server: a client that sends it is told so */
    KEY_LATER,  /* promised by the API's description, not there yet */
};

struct field {
    const char *name; /* NULL ends a table */
    bool (*read)(struct reader *r, const char *key, const struct json *value);
    enum key_use use;
};

MUST_USE bool fields_read(struct reader *r, const struct json *object, const struct field *table);

/* The value is of that kind; an integer passes for a number. what: "a string", for the sentence. */
MUST_USE bool field_kind(const struct reader *r, const char *key, const struct json *value,
                         enum json_kind kind, const char *what);

/* Text that ends up as a C string somewhere: a zero byte in it would cut it. */
MUST_USE bool field_text(const struct reader *r, const char *key, const struct json *value,
                         size_t most, const char **ret);

/* The same, short, not empty, without control characters. */
MUST_USE bool field_name(const struct reader *r, const char *key, const struct json *value,
                         const char **ret);

MUST_USE bool field_flag(const struct reader *r, const char *key, const struct json *value,
                         bool *ret);
MUST_USE bool field_int(const struct reader *r, const char *key, const struct json *value,
                        int64_t least, int64_t most, int64_t *ret);
MUST_USE bool field_double(const struct reader *r, const char *key, const struct json *value,
                           double most, double *ret); /* 0 to most */

/* One of names, which end in NULL; ret gets the index. */
MUST_USE bool field_choice(const struct reader *r, const char *key, const struct json *value,
                           const char *const *names, int *ret);

/* Bytes of r->from with their encoding beside them. NUL and everything else is welcome. */
MUST_USE bool field_bytes(const struct reader *r, const char *key, const char *encoding_key,
                          struct str *ret);

/* For the encoding's key: it is read with its bytes. */
bool field_skip(struct reader *r, const char *key, const struct json *value);

/* An array of strings; the list ends in NULL. */
MUST_USE bool field_words(const struct reader *r, const char *key, const struct json *value,
                          const char ***ret);

#endif
