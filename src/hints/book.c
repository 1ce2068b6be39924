/* SPDX-License-Identifier: Apache-2.0 */
/* The book: every pattern file of a folder, those for fewer languages first. */
#include "hints/book.h"

#include "lang/yaml.h"

enum { FILES_MOST = 64 };

void hints_free(struct hint_book *book)
{
    if (!book)
        return;
    for (size_t i = 0; i < book->count; i++)
        pattern_file_done(&book->files[i]);
    arena_done(&book->arena);
    free(book);
}

size_t hints_count(const struct hint_book *book)
{
    size_t count = 0;
    for (size_t i = 0; i < book->count; i++)
        count += book->files[i].count;
    return count;
}

const char *hints_id(const struct hint_book *book, size_t index)
{
    for (size_t i = 0; i < book->count; i++) {
        if (index < book->files[i].count)
            return book->files[i].patterns[index].id;
        index -= book->files[i].count;
    }
    CHECK(!"a pattern of the book");
    return NULL;
}

static bool load_file(void *arg, const char *name, struct str bytes, struct err *e)
{
    struct hint_book *book = arg;
    if (book->count == FILES_MOST)
        return err_set(e, ERR_INVALID, "more than %d pattern files", FILES_MOST);
    return pattern_file_parse(name, bytes, &book->arena, &book->files[book->count++], e);
}

/* Files of few languages know better than those of many; those of all come last. */
static int by_precision(const void *a, const void *b)
{
    const struct pattern_file *x = a, *y = b;
    size_t i = x->language_count - 1, j = y->language_count - 1; /* 0 becomes the most */
    return i != j ? (i > j) - (i < j) : strcmp(x->name, y->name);
}

static bool check_ids(const struct hint_book *book, struct err *e)
{
    size_t count = hints_count(book);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(hints_id(book, i), hints_id(book, k)) == 0)
                return err_set(e, ERR_CONFLICT, "two patterns are called \"%s\"",
                               hints_id(book, i));
    return true;
}

struct hint_book *hints_load(const char *folder, struct err *e)
{
    CLEANUP(hints_free) struct hint_book *book = calloc(1, sizeof *book);
    CHECK(book);
    book->files = arena_array(&book->arena, FILES_MOST, sizeof *book->files);
    if (!folder)
        folder = data_folder("hints", &book->arena);
    if (!folder) {
        err_set(e, ERR_NOT_FOUND, "hints: no folder beside the program nor installed");
        return NULL;
    }
    if (!yaml_each(folder, PATTERN_FILE_BYTES, load_file, book, e) || !check_ids(book, e)) {
        err_add(e, "hints");
        return NULL;
    }
    qsort(book->files, book->count, sizeof *book->files, by_precision);
    return TAKE(book);
}
