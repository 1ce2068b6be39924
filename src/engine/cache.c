/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - an index in memory over artifacts in memory and on disk.
 *
 * One entry per key; it is in the memory list, the disk list or both, each list ordered by last use
 * with the oldest first. Files are read and written without the lock: while that goes on the entry
 * may be evicted, so it is looked up again afterwards. Removing a file happens under the lock, so
 * that index and folder agree.
 */
#include "engine/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum {
    BUCKETS = 4096, /* three hexadecimal digits of the key */
    KEY_LEN = HASH_TEXT - 1,
    NAME_SIZE = HASH_TEXT + 40, /* "ab/<key>", with a temporary ending */
};

static const int64_t touch_every_us = 3600 * US_PER_S;

struct entry {
    char key[HASH_TEXT];
    struct artifact *artifact; /* referenced; NULL: not in memory */
    int64_t disk_bytes;        /* 0: not on disk */
    int64_t used_us;           /* the file's mtime */
    struct entry *next;        /* same bucket */
    TAILQ_ENTRY(entry) in_memory, on_disk;
};

TAILQ_HEAD(entry_list, entry);

struct cache {
    struct cache_config config;
    int folder; /* -1: memory only */

    pthread_mutex_t lock; /* guards all below */
    struct entry *buckets[BUCKETS];
    struct entry_list memory, disk; /* least recently used first */
    struct cache_stats stats;
    unsigned temporary; /* number of the next temporary name */
};

/* ---- the index; all with the lock held ---- */

static bool key_valid(const char *key)
{
    return strlen(key) == KEY_LEN && strspn(key, "0123456789abcdef") == KEY_LEN;
}

static struct entry **find_place(struct cache *c, const char *key)
{
    char head[4] = { key[0], key[1], key[2] };
    struct entry **at = &c->buckets[strtoul(head, NULL, 16)];
    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

static struct entry *find_or_add(struct cache *c, const char *key)
{
    struct entry **at = find_place(c, key);
    if (!*at) {
        *at = calloc(1, sizeof **at);
        CHECK(*at != NULL);
        snprintf((*at)->key, sizeof(*at)->key, "%s", key);
    }
    return *at;
}

static void drop_when_empty(struct cache *c, struct entry *en)
{
    if (en->artifact || en->disk_bytes > 0)
        return;
    *find_place(c, en->key) = en->next;
    free(en);
}

static void set_memory(struct cache *c, struct entry *en, struct artifact *a)
{
    if (en->artifact) {
        TAILQ_REMOVE(&c->memory, en, in_memory);
        c->stats.memory_bytes -= en->artifact->bytes;
        c->stats.memory_files -= (int64_t)en->artifact->file_count;
        artifact_unref(en->artifact);
    }
    en->artifact = artifact_ref(a);
    if (a) {
        TAILQ_INSERT_TAIL(&c->memory, en, in_memory);
        c->stats.memory_bytes += a->bytes;
        c->stats.memory_files += (int64_t)a->file_count;
    }
}

/* The file under that name is now bytes long; 0: there is none. */
static void set_disk(struct cache *c, struct entry *en, int64_t bytes)
{
    if (en->disk_bytes > 0)
        TAILQ_REMOVE(&c->disk, en, on_disk);
    c->stats.disk_bytes += bytes - en->disk_bytes;
    en->disk_bytes = bytes;
    if (bytes > 0)
        TAILQ_INSERT_TAIL(&c->disk, en, on_disk);
}

static void name_of(const char *key, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%.2s/%s", key, key);
}

static void remove_from_disk(struct cache *c, struct entry *en)
{
    char name[NAME_SIZE];
    name_of(en->key, name);
    unlinkat(c->folder, name, 0);
    set_disk(c, en, 0);
}

/*
 * The analyzer does not see through TAILQ_REMOVE: it believes a freed entry is still the first.
 * NOLINTBEGIN(clang-analyzer-unix.Malloc)
 */
static void evict(struct cache *c)
{
    struct entry *en;
    while ((c->stats.memory_bytes > c->config.memory_bytes ||
            c->stats.memory_files > c->config.memory_files) &&
           (en = TAILQ_FIRST(&c->memory))) {
        set_memory(c, en, NULL);
        drop_when_empty(c, en);
    }
    while (c->stats.disk_bytes > c->config.disk_bytes && (en = TAILQ_FIRST(&c->disk))) {
        remove_from_disk(c, en);
        drop_when_empty(c, en);
    }
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

/* Last in its lists. True when the file's mtime is due to say so as well. */
static bool mark_used(struct cache *c, struct entry *en)
{
    if (en->artifact) {
        TAILQ_REMOVE(&c->memory, en, in_memory);
        TAILQ_INSERT_TAIL(&c->memory, en, in_memory);
    }
    if (en->disk_bytes == 0)
        return false;
    TAILQ_REMOVE(&c->disk, en, on_disk);
    TAILQ_INSERT_TAIL(&c->disk, en, on_disk);
    int64_t now = wall_us();
    if (now - en->used_us < touch_every_us)
        return false;
    en->used_us = now;
    return true;
}

/* ---- the folder; without the lock ---- */

/* damaged: the file is of no use, which is more than not being able to read it now. */
static struct artifact *load(struct cache *c, const char *key, bool *damaged)
{
    char name[NAME_SIZE];
    name_of(key, name);
    struct err e = { 0 };
    CLEANUP(buf_done) struct buf bytes = { 0 };
    struct artifact *a = NULL;
    if (file_read(c->folder, name, (size_t)c->config.disk_bytes, &bytes, &e))
        a = artifact_read(buf_str(&bytes), &e);
    *damaged = !a && e.kind != ERR_SYSTEM;
    return a;
}

static bool write_file(struct cache *c, const char *temporary, struct str bytes)
{
    struct err e = { 0 };
    CLEANUP(fd_close)
    int fd =
        openat(c->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd >= 0 && fd_write_all(fd, bytes, &e);
}

/*
 * Write under a temporary name, then rename. No fsync, unlike file_replace(): after a power loss
 * the checksum turns a torn file into a miss, and a build should not wait for the disk.
 */
static bool save(struct cache *c, const char *key, unsigned number, struct str bytes)
{
    char name[NAME_SIZE], temporary[NAME_SIZE];
    name_of(key, name);
    snprintf(temporary, sizeof temporary, "%.2s/%s.new.%u", key, key, number);
    char sub[3] = { key[0], key[1] };
    if (mkdirat(c->folder, sub, 0700) != 0 && errno != EEXIST)
        return false;
    if (write_file(c, temporary, bytes) && renameat(c->folder, temporary, c->folder, name) == 0)
        return true;
    unlinkat(c->folder, temporary, 0);
    return false;
}

static void touch(struct cache *c, const char *key)
{
    char name[NAME_SIZE];
    name_of(key, name);
    utimensat(c->folder, name, NULL, AT_SYMLINK_NOFOLLOW);
}

/* ---- reading the folder at start ---- */

struct found {
    struct entry **list;
    size_t count, capacity;
};

static void note_file(struct cache *c, struct found *found, int dir, const char *name)
{
    struct stat st;
    bool torn = strstr(name, ".new.") != NULL; /* left by a crash in the middle of a write */
    if (!torn && !key_valid(name))
        return;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return;
    if (torn || st.st_size == 0) {
        unlinkat(dir, name, 0);
        return;
    }
    struct entry *en = find_or_add(c, name);
    en->disk_bytes = st.st_size;
    en->used_us = st.st_mtim.tv_sec * US_PER_S + st.st_mtim.tv_nsec / 1000;
    if (found->count == found->capacity) {
        found->capacity = MAX(found->capacity * 2, (size_t)256);
        found->list = reallocarray(found->list, found->capacity, sizeof(struct entry *));
        CHECK(found->list != NULL);
    }
    found->list[found->count++] = en;
}

static void scan_folder(struct cache *c, struct found *found, const char *sub)
{
    int fd = openat(c->folder, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        fd_close(fd);
        return;
    }
    for (struct dirent *d; (d = readdir(dir));)
        if (d->d_name[0] != '.' && strncmp(d->d_name, sub, 2) == 0)
            note_file(c, found, fd, d->d_name);
    closedir(dir);
}

static int older_first(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    return (x->used_us > y->used_us) - (x->used_us < y->used_us);
}

static void scan(struct cache *c)
{
    struct found found = { 0 };
    for (int i = 0; i < 256; i++) {
        char sub[3];
        snprintf(sub, sizeof sub, "%02x", i);
        scan_folder(c, &found, sub);
    }
    if (found.count > 0)
        qsort(found.list, found.count, sizeof(struct entry *), older_first);
    for (size_t i = 0; i < found.count; i++) {
        int64_t bytes = found.list[i]->disk_bytes;
        found.list[i]->disk_bytes = 0;
        set_disk(c, found.list[i], bytes);
    }
    free(found.list);
    evict(c);
}

/* ---- the cache ---- */

struct cache *cache_open(const struct cache_config *config, struct err *e)
{
    struct cache *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    c->config = *config;
    c->config.folder = NULL; /* borrowed for the call only */
    c->folder = -1;
    pthread_mutex_init(&c->lock, NULL);
    TAILQ_INIT(&c->memory);
    TAILQ_INIT(&c->disk);
    if (!config->folder)
        return c;

    c->folder = dir_open(config->folder, 0700, e);
    if (c->folder < 0) {
        err_add(e, "build cache");
        cache_close(c);
        return NULL;
    }
    pthread_mutex_lock(&c->lock);
    scan(c);
    pthread_mutex_unlock(&c->lock);
    return c;
}

void cache_close(struct cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < BUCKETS; i++)
        for (struct entry *en = c->buckets[i], *next; en; en = next) {
            next = en->next;
            artifact_unref(en->artifact);
            free(en);
        }
    fd_close(c->folder);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* What was read back goes into memory, unless the entry went away meanwhile. */
static void attach(struct cache *c, const char *key, struct artifact *loaded, bool damaged)
{
    pthread_mutex_lock(&c->lock);
    struct entry *en = *find_place(c, key);
    if (en && damaged && en->disk_bytes > 0) {
        c->stats.damaged++;
        remove_from_disk(c, en);
        drop_when_empty(c, en);
    } else if (en && loaded && !en->artifact) {
        set_memory(c, en, loaded);
        evict(c);
    }
    pthread_mutex_unlock(&c->lock);
}

struct artifact *cache_get(struct cache *c, const char *key)
{
    pthread_mutex_lock(&c->lock);
    struct entry *en = *find_place(c, key);
    bool here = en != NULL;
    bool touch_due = en && mark_used(c, en);
    struct artifact *a = en ? artifact_ref(en->artifact) : NULL;
    pthread_mutex_unlock(&c->lock);

    if (here && !a) {
        bool damaged;
        a = load(c, key, &damaged);
        attach(c, key, a, damaged);
    }
    if (a && touch_due)
        touch(c, key);
    return a;
}

static void put_on_disk(struct cache *c, const char *key, const struct artifact *a)
{
    CLEANUP(buf_done) struct buf bytes = { 0 };
    struct err e = { 0 };
    if (!artifact_write(a, &bytes, &e) || (int64_t)bytes.len > c->config.disk_bytes)
        return;
    pthread_mutex_lock(&c->lock);
    unsigned number = c->temporary++;
    pthread_mutex_unlock(&c->lock);
    if (!save(c, key, number, buf_str(&bytes)))
        return;
    pthread_mutex_lock(&c->lock);
    struct entry *en = find_or_add(c, key);
    en->used_us = wall_us();
    set_disk(c, en, (int64_t)bytes.len);
    evict(c);
    pthread_mutex_unlock(&c->lock);
}

void cache_put(struct cache *c, const char *key, struct artifact *a)
{
    CHECK(key_valid(key));
    pthread_mutex_lock(&c->lock);
    set_memory(c, find_or_add(c, key), a);
    evict(c);
    pthread_mutex_unlock(&c->lock);

    if (c->folder >= 0 && a->compile.verdict == VERDICT_ACCEPTED)
        put_on_disk(c, key, a);
}

void cache_clear(struct cache *c)
{
    pthread_mutex_lock(&c->lock);
    struct cache_config kept = c->config;
    c->config.memory_bytes = c->config.disk_bytes = -1;
    evict(c);
    c->config = kept;
    pthread_mutex_unlock(&c->lock);
}

void cache_stats(struct cache *c, struct cache_stats *ret)
{
    pthread_mutex_lock(&c->lock);
    *ret = c->stats;
    pthread_mutex_unlock(&c->lock);
}
