/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/text.h"

enum { WRITER_CACHE_KIB = 16384, READER_CACHE_KIB = 4096, COPIER_CACHE_KIB = 256 };

/* ---- errors ---- */

static enum err_kind kind_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_INTERRUPT:
        return ERR_UNAVAILABLE;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return ERR_BUG;
    default: /* CORRUPT, NOTADB, PERM, ... */
        return ERR_SYSTEM;
    }
}

bool db_err(struct db_conn *c, int code, const char *what, struct err *e)
{
    bool same = (sqlite3_errcode(c->handle) & 0xff) == (code & 0xff);
    const char *words = same ? sqlite3_errmsg(c->handle) : sqlite3_errstr(code);
    int sys = 0;
    if ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN)
        sys = sqlite3_system_errno(c->handle);

    if (sys)
        err_sysno(e, sys, "%s: %s", what, words);
    else if (code & ~0xff) /* the long code says which call failed, sqlite.org/rescode.html */
        err_set(e, ERR_SYSTEM, "%s: %s (%d)", what, words, code);
    else
        err_set(e, ERR_SYSTEM, "%s: %s", what, words);
    e->kind = kind_of(code);
    return false;
}

/* ---- connections ---- */

static void setup_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* a lock less around every allocation */
    sqlite3_initialize();
}

struct db_conn *conn_open(const char *path, int cache_kib, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup_library);

    CLEANUP(conn_close) struct db_conn *c = calloc(1, sizeof *c);
    CHECK(c);
    int code = sqlite3_open_v2(path, &c->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        db_err(c, code, path, e);
        return NULL;
    }
    sqlite3_extended_result_codes(c->handle, 1);
    sqlite3_busy_timeout(c->handle, 10000); /* only while a log left by a crash is read */

    /* What is deleted is overwritten only where that writes nothing more: Debian's SQLite would
     * clear every page it frees. */
    char sql[200];
    snprintf(sql, sizeof sql,
             "PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL;"
             "PRAGMA secure_delete=FAST;"
             "PRAGMA wal_autocheckpoint=0;",
             cache_kib);
    if (!db_exec(c, sql, e)) {
        err_add(e, "%s", path);
        return NULL;
    }
    return TAKE(c);
}

void conn_close(struct db_conn *c)
{
    if (!c)
        return;
    conn_forget_stmts(c);
    sqlite3_close(c->handle);
    free(c);
}

static bool reader_open(struct db *db, struct db_conn **ret, struct err *e)
{
    CLEANUP(conn_close) struct db_conn *c = conn_open(db->path, READER_CACHE_KIB, e);
    if (!c || !db_exec(c, "PRAGMA query_only=1", e))
        return false;
    *ret = TAKE(c);
    return true;
}

struct db_conn *db_reader(struct db *db, struct err *e)
{
    pthread_mutex_lock(&db->readers_lock);
    while (!db->idle_readers && db->readers == DB_READERS)
        pthread_cond_wait(&db->reader_free, &db->readers_lock);
    struct db_conn *c = db->idle_readers;
    if (c)
        db->idle_readers = c->next;
    else
        db->readers++;
    pthread_mutex_unlock(&db->readers_lock);

    if (c || reader_open(db, &c, e))
        return c;
    pthread_mutex_lock(&db->readers_lock);
    db->readers--;
    pthread_cond_signal(&db->reader_free);
    pthread_mutex_unlock(&db->readers_lock);
    return NULL;
}

void db_reader_done(struct db *db, struct db_conn *c)
{
    pthread_mutex_lock(&db->readers_lock);
    c->next = db->idle_readers;
    db->idle_readers = c;
    pthread_cond_signal(&db->reader_free);
    pthread_mutex_unlock(&db->readers_lock);
}

/* ---- beside a server ---- */

static const int beside_busy_ms = 60000;

struct db_conn *db_beside_open(const char *path, struct err *e)
{
    if (access(path, F_OK) != 0) {
        err_sys(e, "%s", path);
        e->kind = ERR_NOT_FOUND;
        return NULL;
    }
    struct db_conn *c = conn_open(path, READER_CACHE_KIB, e);
    if (c)
        sqlite3_busy_timeout(c->handle, beside_busy_ms);
    return c;
}

void db_beside_close(struct db_conn *c)
{
    conn_close(c);
}

void db_beside_tidy(struct db_conn *c)
{
    sqlite3_wal_checkpoint_v2(c->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* ---- opening ---- */

/* Who has it, from the lock file: "pid 4711", or "another process" when that cannot be read. */
static bool say_holder(int fd, const char *path, struct err *e)
{
    char text[32] = "";
    int64_t pid;
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    if (len > 0 && text[len - 1] == '\n' && parse_int((struct str){ text, (size_t)len - 1 }, &pid))
        return err_set(e, ERR_CONFLICT, "%s is in use by pid %lld", path, (long long)pid);
    return err_set(e, ERR_CONFLICT, "%s is in use by another process", path);
}

/* One process per file: SQLite would let a second one in, and both would hand out the same jobs. */
static int lock_file(const char *path, struct err *e)
{
    CLEANUP(buf_done) struct buf name = { 0 };
    buf_addf(&name, "%s.lock", path);
    CLEANUP(fd_close) int fd = open(name.ptr, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_sys(e, "open %s", name.ptr);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            say_holder(fd, path, e);
        else
            err_sys(e, "lock %s", name.ptr);
        return -1;
    }
    char pid[32];
    int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    /* Only a courtesy to the next one: a full disk must not keep the server from starting. */
    bool noted = ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)len, 0) == len;
    (void)noted;
    return TAKE_FD(fd);
}

/* Ours alone from the first byte: submissions are nobody else's business. */
static bool create_file(const char *path, struct err *e)
{
    CLEANUP(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 || err_sys(e, "open %s", path);
}

static bool check_wal(struct db_conn *c, const char *path, struct err *e)
{
    CLEANUP(db_stmt_done) struct db_stmt *s = db_query(c, "PRAGMA journal_mode=WAL", e);
    if (!s || db_step(s, e) == GOT_FAILED)
        return err_add(e, "%s", path);
    if (!str_is(db_blob(s, 0), "wal"))
        return err_set(e, ERR_SYSTEM, "%s: cannot keep a write-ahead log there (%.*s)", path,
                       STR_FMT(db_blob(s, 0)));
    return true;
}

static bool prepare_file(struct db_conn *c, const char *path, struct err *e)
{
    /* The first counts for a new file only; the last two so that a broken one is found now. */
    if (!db_exec(c, "PRAGMA auto_vacuum=INCREMENTAL", e))
        return err_add(e, "%s", path);
    if (!check_wal(c, path, e))
        return false;
    if (!db_exec(c,
                 "PRAGMA journal_size_limit=67108864;"
                 "CREATE TABLE IF NOT EXISTS schema_parts("
                 " part TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
                 e))
        return err_add(e, "%s", path);
    return true;
}

static bool open_all(struct db *db, struct err *e)
{
    db->lock_fd = lock_file(db->path, e);
    if (db->lock_fd < 0 || !create_file(db->path, e))
        return false;
    db->writer.conn = conn_open(db->path, WRITER_CACHE_KIB, e);
    if (!db->writer.conn || !prepare_file(db->writer.conn, db->path, e))
        return false;
    db->copier.conn = conn_open(db->path, COPIER_CACHE_KIB, e);
    return db->copier.conn != NULL;
}

static void close_all(struct db *db)
{
    for (struct db_conn *c = db->idle_readers, *next; c; c = next) {
        next = c->next;
        conn_close(c);
    }
    conn_close(db->copier.conn);
    conn_close(db->writer.conn); /* the last one copies the log back and removes it */
    fd_close(db->lock_fd);
    pthread_cond_destroy(&db->reader_free);
    pthread_mutex_destroy(&db->readers_lock);
    free(db->path);
    free(db);
}

struct db *db_open(const char *path, struct err *e)
{
    struct db *db = calloc(1, sizeof *db);
    CHECK(db);
    db->path = strdup(path);
    CHECK(db->path);
    db->lock_fd = -1;
    pthread_mutex_init(&db->readers_lock, NULL);
    pthread_cond_init(&db->reader_free, NULL);

    if (!open_all(db, e) || !copier_start(db, e)) {
        if (e->kind != ERR_CONFLICT)
            e->kind = ERR_SYSTEM;
        close_all(db);
        return NULL;
    }
    if (!writer_start(db, e)) {
        copier_stop(db);
        close_all(db);
        return NULL;
    }
    return db;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    writer_stop(db);
    copier_stop(db);
    close_all(db);
}

/* ---- schema ---- */

struct migration {
    const char *part;
    const char *const *scripts;
    int count;
};

static bool read_version(struct db_conn *c, const char *part, int64_t *ret, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s = db_query(c, "SELECT version FROM schema_parts WHERE part = ?", e);
    if (!s)
        return false;
    db_bind_text(s, 1, part);
    enum got got = db_step(s, e);
    if (got != GOT_FAILED)
        *ret = got == GOT_ONE ? db_int(s, 0) : 0;
    return got != GOT_FAILED;
}

static bool write_version(struct db_conn *c, const char *part, int version, struct err *e)
{
    CLEANUP(db_stmt_done)
    struct db_stmt *s =
        db_query(c, "INSERT OR REPLACE INTO schema_parts(part, version) VALUES(?, ?)", e);
    if (!s)
        return false;
    db_bind_text(s, 1, part);
    db_bind_int(s, 2, version);
    return db_step(s, e) != GOT_FAILED;
}

static bool migrate(struct db_conn *c, void *arg, struct err *e)
{
    const struct migration *m = arg;
    int64_t version;
    if (!read_version(c, m->part, &version, e))
        return false;
    if (version > m->count)
        return err_set(e, ERR_SYSTEM,
                       "the file is of a newer evalX (%s is at version %lld, this one knows %d)",
                       m->part, (long long)version, m->count);
    if (version == m->count)
        return true;
    for (int i = (int)version; i < m->count; i++)
        if (!db_exec(c, m->scripts[i], e))
            return err_add(e, "%s: to version %d", m->part, i + 1);
    return write_version(c, m->part, m->count, e);
}

bool db_migrate(struct db *db, const char *part, const char *const *scripts, int count,
                struct err *e)
{
    struct migration m = { part, scripts, count };
    return db_write_wait(db, migrate, &m, e) || err_add(e, "%s", db->path);
}

/* ---- size ---- */

static int64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

int64_t db_bytes(struct db *db)
{
    CLEANUP(buf_done) struct buf log = { 0 };
    buf_addf(&log, "%s-wal", db->path);
    return file_bytes(db->path) + file_bytes(log.ptr);
}
