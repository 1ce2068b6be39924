/* Counts the words of standard input: most frequent first, then by alphabet. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    char text[64];
    int count;
};

static struct word words[1000];
static int used;

static void count(const char *text)
{
    int i = 0;
    while (i < used && strcmp(words[i].text, text) != 0)
        i++;
    if (i == used)
        strcpy(words[used++].text, text);
    words[i].count++;
}

static int order(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    return x->count != y->count ? y->count - x->count : strcmp(x->text, y->text);
}

int main(void)
{
    char text[64];
    while (scanf("%63s", text) == 1) {
        for (char *p = text; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        count(text);
    }
    qsort(words, (size_t)used, sizeof(words[0]), order);
    for (int i = 0; i < used; i++)
        printf("%s %d\n", words[i].text, words[i].count);
    return 0;
}
