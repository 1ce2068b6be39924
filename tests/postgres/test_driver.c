/* SPDX-License-Identifier: Apache-2.0 */
/* drivers/postgres.h on a real server: values, transactions, the schema, and everything that can be
 * wrong with a database. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "../postgres_world.h"
#include "../unit/test.h"
#include "base/clock.h"
#include "drivers/postgres.h"

static struct pg *pool_at(const char *url, int connections, int64_t timeout_us)
{
    static const char *const scripts[] = {
        "CREATE TABLE t(n bigint CONSTRAINT t_n UNIQUE, word text); INSERT INTO t VALUES(0, "
        "'first')",
    };
    struct err e;
    const struct pg_config config = { url, connections, timeout_us, "test", scripts, 1 };
    struct pg *pg = pg_open(&config, &e);
    if (!pg)
        fail_msg("%s", e.text);
    return pg;
}

/* A pool on a schema of its own, whose migration made the table t. */
static struct pg *new_pool(int connections)
{
    return pool_at(postgres_new_url(postgres_shared()), connections, 0);
}

static bool nothing(UNUSED struct pg_conn *c, UNUSED void *arg, UNUSED struct err *e)
{
    return true;
}

static bool insert(struct pg_conn *c, int64_t n, const char *word, struct err *e)
{
    struct pg_args args = { 0 };
    pg_add_int(&args, n);
    pg_add_text(&args, str_of(word));
    return pg_exec(c, "INSERT INTO t VALUES($1, $2)", &args, e);
}

static bool read_int(struct pg_conn *c, const char *sql, int64_t *ret, struct err *e)
{
    if (!pg_ask(c, sql, NULL, e) || pg_step(c, e) != GOT_ONE)
        return false;
    *ret = pg_int(c, 0);
    return true;
}

static bool count_rows(struct pg_conn *c, void *arg, struct err *e)
{
    return read_int(c, "SELECT count(*) FROM t", arg, e);
}

static int64_t rows_in(struct pg *pg)
{
    struct err e;
    int64_t n = -1;
    MUST(pg_run(pg, PG_PLAIN, count_rows, &n, &e));
    return n;
}

/* What a pool says that cannot work. */
static void refused(const char *url, const char *part)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = pool_at(url, 1, 0);
    assert_false(pg_run(pg, PG_PLAIN, nothing, NULL, &e));
    if (!strstr(e.text, part))
        fail_msg("\"%s\" does not say \"%s\"", e.text, part);
}

/* ---- the address ---- */

TEST(an_address_that_is_none_is_refused_and_its_password_not_repeated)
{
    static const char *const urls[] = {
        "",
        "mysql://a:geheim@host/db",
        "postgres://u:geheim%zz@host/db",
        "postgres://u:geheim@[::1/db",
        "postgres://u:geheim@host/db?nonsense=1",
        "host=localhost password=geheim",
    };
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct err e;
        const struct pg_config config = { .url = urls[i] };
        assert_null(pg_open(&config, &e));
        assert_int_equal(e.kind, ERR_INVALID);
        assert_null(strstr(e.text, "geheim"));
        assert_non_null(strstr(e.text, "postgres://user:password@host"));
    }
}

TEST(what_is_wrong_with_the_connection_is_said_in_a_sentence)
{
    struct postgres *p = postgres_shared();
    char url[600], hba[200];
    postgres_sql(p, "CREATE ROLE bob LOGIN PASSWORD 'right'");
    postgres_sql(p, "CREATE DATABASE old ENCODING 'LATIN1' TEMPLATE template0");
    snprintf(hba, sizeof hba, "%s/data/pg_hba.conf", p->folder);
    FILE *f = fopen(hba, "we");
    fputs("local all bob scram-sha-256\nlocal all all trust\n", f);
    fclose(f);
    postgres_sql(p, "SELECT pg_reload_conf()");
    /* The reload reaches new sessions a moment later. */
    postgres_sql(p, "SELECT pg_sleep(0.3)");

    snprintf(url, sizeof url, "postgres://bob:geheim@/postgres?host=%s", p->folder);
    refused(url, "password authentication failed for user \"bob\"");
    snprintf(url, sizeof url, "postgres://postgres@/nowhere?host=%s", p->folder);
    refused(url, "database \"nowhere\" does not exist");
    snprintf(url, sizeof url, "postgres://postgres@/old?host=%s", p->folder);
    refused(url, "kept in LATIN1");
    snprintf(url, sizeof url, "postgres://bob:right@/postgres?host=%s", p->folder);
    refused(url, "permission denied for schema public");
    refused("postgres://postgres@/postgres?host=/nonexistent", "No such file or directory");
    refused("postgres://postgres@127.0.0.1:1/postgres", "Connection refused");
}

TEST(while_it_is_away_nobody_waits_for_it)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = pool_at("postgres://x@127.0.0.1:1/x", 1, 0);
    assert_false(pg_run(pg, PG_PLAIN, nothing, NULL, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    int64_t before = mono_us();
    for (int i = 0; i < 1000; i++) {
        e = (struct err){ 0 };
        assert_false(pg_run(pg, PG_PLAIN, nothing, NULL, &e));
        assert_int_equal(e.kind, ERR_UNAVAILABLE);
        assert_non_null(strstr(e.text, "Connection refused"));
    }
    assert_true(mono_us() - before < US_PER_S);
}

/* ---- values ---- */

struct echo {
    int64_t n;
    struct str text;
};

static bool echo(struct pg_conn *c, void *arg, struct err *e)
{
    const struct echo *x = arg;
    struct pg_args args = { 0 };
    pg_add_int(&args, x->n);
    pg_add_text(&args, x->text);
    if (!pg_ask(c, "SELECT $1, $2", &args, e) || pg_step(c, e) != GOT_ONE)
        return false;
    assert_int_equal(pg_int(c, 0), x->n);
    struct str text = pg_text(c, 1);
    assert_int_equal(text.ptr != NULL, x->text.ptr != NULL);
    assert_true(str_eq(text, x->text));
    assert_int_equal(pg_step(c, e), GOT_NONE);
    return true;
}

TEST(values_come_back_as_they_went)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = new_pool(1);
    CLEANUP(buf_done) struct buf large = { 0 };
    for (int i = 0; i < 5000000; i++)
        buf_add_char(&large, (char)('a' + i % 26));
    const struct echo all[] = {
        { 0, STR("") },          { INT64_MAX, STR("it's \"quoted\" \\ $1 %s") },
        { INT64_MIN, STR_NULL }, { -1, STR("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80") },
        { 7, buf_str(&large) },
    };
    for (size_t i = 0; i < COUNT_OF(all); i++)
        MUST(pg_run(pg, PG_PLAIN, echo, (void *)(uintptr_t)&all[i], &e));
}

static bool lists(struct pg_conn *c, UNUSED void *arg, struct err *e)
{
    CLEANUP(pg_list_done) struct pg_list ints = { 0 };
    CLEANUP(pg_list_done) struct pg_list texts = { 0 };
    CLEANUP(pg_list_done) struct pg_list none = { 0 };
    static const char *const words[] = { "a", NULL, "", "{x,\"y\"}" };
    for (int i = 0; i < 4; i++) {
        pg_list_int(&ints, i * INT64_C(1000000000000));
        pg_list_text(&texts, str_of(words[i]));
    }
    struct pg_args args = { 0 };
    pg_add_ints(&args, &ints);
    pg_add_texts(&args, &texts);
    pg_add_texts(&args, &none);
    if (!pg_ask(c, "SELECT n, word, cardinality($3) FROM unnest($1, $2) AS u(n, word)", &args, e))
        return false;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pg_step(c, e), GOT_ONE);
        assert_int_equal(pg_int(c, 0), i * INT64_C(1000000000000));
        assert_true(words[i] ? str_is(pg_text(c, 1), words[i]) : !pg_text(c, 1).ptr);
        assert_int_equal(pg_int(c, 2), 0);
    }
    return pg_step(c, e) == GOT_NONE;
}

TEST(many_rows_go_as_arrays)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = new_pool(1);
    MUST(pg_run(pg, PG_PLAIN, lists, NULL, &e));
}

static bool leave_rows(struct pg_conn *c, UNUSED void *arg, struct err *e)
{
    return pg_ask(c, "SELECT generate_series(1, 100000)", NULL, e) && pg_step(c, e) == GOT_ONE;
}

TEST(rows_nobody_reads_are_no_matter)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = new_pool(1);
    for (int mode = PG_PLAIN; mode <= PG_WRITE; mode++) {
        MUST(pg_run(pg, (enum pg_mode)mode, leave_rows, NULL, &e));
        assert_int_equal(rows_in(pg), 1);
    }
}

/* ---- transactions ---- */

static bool insert_two(struct pg_conn *c, void *arg, struct err *e)
{
    return insert(c, 1, "one", e) && insert(c, 2, "two", e) && arg == NULL;
}

TEST(a_transaction_is_all_or_nothing)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = new_pool(2);
    assert_false(pg_run(pg, PG_WRITE, insert_two, pg, &e));
    assert_int_equal(rows_in(pg), 1);
    MUST(pg_run(pg, PG_WRITE, insert_two, NULL, &e));
    assert_int_equal(rows_in(pg), 3);
}

static bool run_text(struct pg_conn *c, void *arg, struct err *e)
{
    return pg_exec(c, arg, NULL, e);
}

static void fails_as(struct pg *pg, const char *sql, enum err_kind kind, const char *field)
{
    struct err e = { 0 };
    assert_false(pg_run(pg, PG_WRITE, run_text, (void *)(uintptr_t)sql, &e));
    if (e.kind != kind)
        fail_msg("%s: %s: %s", sql, err_kind_name(e.kind), e.text);
    assert_string_equal(e.field, field);
    assert_int_equal(rows_in(pg), 1); /* and the connection goes on */
}

TEST(errors_are_told_apart_by_what_can_be_done)
{
    CLEANUP(pg_close) struct pg *pg = new_pool(1);
    fails_as(pg, "INSERT INTO t VALUES(0, 'again')", ERR_CONFLICT, "t_n");
    fails_as(pg, "SELECT 'x'::uuid", ERR_INVALID, "");
    fails_as(pg, "SELECT '{\"a\":\"\\u0000\"}'::jsonb", ERR_INVALID, "");
    fails_as(pg, "SELECT * FROM missing", ERR_SYSTEM, "");
}

static bool slow(struct pg_conn *c, UNUSED void *arg, struct err *e)
{
    return pg_exec(c, "SELECT pg_sleep(60)", NULL, e);
}

TEST(a_statement_that_takes_too_long_is_given_up)
{
    struct err e;
    CLEANUP(pg_close)
    struct pg *pg = pool_at(postgres_new_url(postgres_shared()), 1, 200 * US_PER_MS);
    assert_false(pg_run(pg, PG_PLAIN, slow, NULL, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_int_equal(rows_in(pg), 1);
}

static bool stop_backend(struct pg_conn *c, void *arg, struct err *e)
{
    int64_t pid;
    if (!read_int(c, "SELECT pg_backend_pid()", &pid, e))
        return false;
    *(pid_t *)arg = (pid_t)pid;
    kill((pid_t)pid, SIGSTOP);
    return slow(c, NULL, e);
}

TEST(a_server_that_falls_silent_is_given_up)
{
    struct err e;
    pid_t backend = 0;
    CLEANUP(pg_close)
    struct pg *pg = pool_at(postgres_new_url(postgres_shared()), 1, 300 * US_PER_MS);
    bool ok = pg_run(pg, PG_WRITE, stop_backend, &backend, &e);
    kill(backend, SIGCONT);
    assert_false(ok);
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.text, "no answer"));
    assert_int_equal(rows_in(pg), 1); /* by a new connection */
}

static bool cut_between(struct pg_conn *c, UNUSED void *arg, struct err *e)
{
    int64_t pid;
    char sql[80];
    if (!read_int(c, "SELECT pg_backend_pid()", &pid, e) || !insert(c, 1, "one", e))
        return false;
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%lld, 5000)", (long long)pid);
    postgres_sql(postgres_shared(), sql);
    return insert(c, 2, "two", e);
}

TEST(a_connection_cut_inside_a_transaction_undoes_it)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = new_pool(1);
    assert_int_equal(rows_in(pg), 1);
    assert_false(pg_run(pg, PG_WRITE, cut_between, NULL, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    assert_int_equal(rows_in(pg), 1);
    MUST(pg_run(pg, PG_WRITE, insert_two, NULL, &e));
}

static bool reads_twice(struct pg_conn *c, UNUSED void *arg, struct err *e)
{
    int64_t before, after;
    if (!count_rows(c, &before, e))
        return false;
    postgres_sql(postgres_shared(), arg);
    if (!count_rows(c, &after, e))
        return false;
    assert_int_equal(before, after);
    return true;
}

TEST(a_reading_transaction_sees_one_moment)
{
    struct err e;
    char sql[100];
    CLEANUP(pg_close) struct pg *pg = new_pool(1);
    assert_int_equal(rows_in(pg), 1);
    snprintf(sql, sizeof sql, "INSERT INTO world%d.t VALUES(9, 'meanwhile')",
             postgres_shared()->schemas - 1);
    MUST(pg_run(pg, PG_READ, reads_twice, sql, &e));
    assert_int_equal(rows_in(pg), 2);
}

/* ---- the pool ---- */

static bool sleep_a_little(struct pg_conn *c, void *arg, struct err *e)
{
    int64_t n;
    if (!read_int(c,
                  "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'three'"
                  " AND pg_sleep(0.002) IS NOT NULL",
                  &n, e))
        return false;
    _Atomic int64_t *most = arg;
    if (n > *most)
        *most = n;
    return true;
}

struct crowd {
    struct pg *pg;
    _Atomic int64_t most, failed;
};

static void *ask_often(void *arg)
{
    struct crowd *crowd = arg;
    struct err e;
    for (int i = 0; i < 20; i++)
        if (!pg_run(crowd->pg, PG_PLAIN, sleep_a_little, &crowd->most, &e))
            crowd->failed++;
    return NULL;
}

TEST(many_threads_share_few_connections)
{
    struct postgres *p = postgres_shared();
    char url[500];
    snprintf(url, sizeof url, "%s&application_name=three", postgres_new_url(p));
    CLEANUP(pg_close) struct pg *pg = pool_at(url, 3, 0);
    struct crowd crowd = { .pg = pg };
    pthread_t threads[12];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &crowd), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.failed, 0);
    assert_in_range(crowd.most, 1, 3);
}

TEST(connections_that_died_while_idle_are_replaced_unnoticed)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = new_pool(2);
    assert_int_equal(rows_in(pg), 1);
    for (int mode = PG_PLAIN; mode <= PG_WRITE; mode++) {
        postgres_stop(postgres_shared(), SIGQUIT);
        postgres_go_on(postgres_shared());
        int64_t n;
        MUST(pg_run(pg, (enum pg_mode)mode, count_rows, &n, &e));
        assert_int_equal(n, 1);
    }
}

TEST(it_is_found_again_when_it_comes_back)
{
    struct err e;
    CLEANUP(pg_close) struct pg *pg = new_pool(2);
    assert_int_equal(rows_in(pg), 1);
    postgres_stop(postgres_shared(), SIGQUIT);
    assert_false(pg_run(pg, PG_PLAIN, nothing, NULL, &e));
    assert_int_equal(e.kind, ERR_UNAVAILABLE);
    postgres_go_on(postgres_shared());
    int64_t deadline = mono_us() + 10 * US_PER_S;
    while (!pg_run(pg, PG_PLAIN, nothing, NULL, &e))
        assert_true(mono_us() < deadline);
    assert_int_equal(rows_in(pg), 1);
}

/* ---- the schema ---- */

static void *open_and_ask(void *arg)
{
    CLEANUP(pg_close) struct pg *pg = pool_at(arg, 1, 0);
    struct err e;
    bool ok = pg_run(pg, PG_PLAIN, nothing, NULL, &e);
    if (!ok)
        fprintf(stderr, "%s\n", e.text);
    return (void *)(uintptr_t)ok;
}

TEST(servers_that_start_together_make_the_schema_once)
{
    struct postgres *p = postgres_shared();
    for (int round = 0; round < 5; round++) {
        char url[400], n[16];
        snprintf(url, sizeof url, "%s", postgres_new_url(p));
        pthread_t threads[4];
        for (size_t i = 0; i < COUNT_OF(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, open_and_ask, url), 0);
        for (size_t i = 0; i < COUNT_OF(threads); i++) {
            void *ok;
            pthread_join(threads[i], &ok);
            assert_non_null(ok);
        }
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM world%d.t", p->schemas - 1);
        postgres_ask(p, sql, n, sizeof n);
        assert_string_equal(n, "1");
    }
}

static struct pg *pool_of_version(const char *url, const char *const *scripts, int count)
{
    struct err e;
    const struct pg_config config = { url, 1, 0, "test", scripts, count };
    struct pg *pg = pg_open(&config, &e);
    assert_non_null(pg);
    return pg;
}

TEST(a_schema_grows_by_the_scripts_it_lacks)
{
    static const char *const scripts[] = {
        "CREATE TABLE t(n bigint)",
        "ALTER TABLE t ADD COLUMN m bigint",
        "INSERT INTO t VALUES(1, 2); nonsense",
        "INSERT INTO t VALUES(1, 2)",
    };
    struct err e;
    char url[400];
    snprintf(url, sizeof url, "%s", postgres_new_url(postgres_shared()));
    CLEANUP(pg_close) struct pg *first = pool_of_version(url, scripts, 1);
    MUST(pg_run(first, PG_PLAIN, nothing, NULL, &e));
    CLEANUP(pg_close) struct pg *broken = pool_of_version(url, scripts, 3);
    assert_false(pg_run(broken, PG_PLAIN, nothing, NULL, &e));
    assert_int_equal(e.kind, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "to version 3"));
    CLEANUP(pg_close) struct pg *second = pool_of_version(url, scripts, 2); /* nothing was left */
    MUST(pg_run(second, PG_PLAIN, nothing, NULL, &e));
    assert_int_equal(rows_in(second), 0);
    /* A program of yesterday beside the schema of today. */
    CLEANUP(pg_close) struct pg *old = pool_of_version(url, scripts, 1);
    assert_false(pg_run(old, PG_PLAIN, nothing, NULL, &e));
    assert_non_null(strstr(e.text, "use a newer evalx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_address_that_is_none_is_refused_and_its_password_not_repeated),
        T(what_is_wrong_with_the_connection_is_said_in_a_sentence),
        T(while_it_is_away_nobody_waits_for_it),
        T(values_come_back_as_they_went),
        T(many_rows_go_as_arrays),
        T(rows_nobody_reads_are_no_matter),
        T(a_transaction_is_all_or_nothing),
        T(errors_are_told_apart_by_what_can_be_done),
        T(a_statement_that_takes_too_long_is_given_up),
        T(a_server_that_falls_silent_is_given_up),
        T(a_connection_cut_inside_a_transaction_undoes_it),
        T(a_reading_transaction_sees_one_moment),
        T(many_threads_share_few_connections),
        T(connections_that_died_while_idle_are_replaced_unnoticed),
        T(it_is_found_again_when_it_comes_back),
        T(servers_that_start_together_make_the_schema_once),
        T(a_schema_grows_by_the_scripts_it_lacks),
    };
    if (!postgres_is_here()) {
        fputs("PostgreSQL is not installed\n", stderr);
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
