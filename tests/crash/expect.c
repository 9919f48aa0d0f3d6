/* SPDX-License-Identifier: MIT */
/* Promises, and whether they are kept. */
#include "crash.h"

#include <sys/stat.h>

void expect_object(struct expectations *x, const struct object *o, enum promise what, unsigned from)
{
	if (x->n == sizeof(x->e) / sizeof(x->e[0]))
		crash_fail("too many expectations");
	x->e[x->n++] = (struct expectation){*o, what, from, ~0u};
}

void expect_all(struct expectations *x, const struct tree *t, unsigned from)
{
	for (unsigned i = 0; i < t->n; i++)
		expect_object(x, &t->o[i], NAMED, from);
}

static bool covers(const char *path, const char *below)
{
	size_t n = strlen(path);

	return !strncmp(path, below, n) && (!below[n] || below[n] == '/');
}

void expect_end(struct expectations *x, const char *path, unsigned at)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->e[i].to > at && covers(path, x->e[i].o.path))
			x->e[i].to = at;
}

void expect_end_inode(struct expectations *x, uint64_t ino, unsigned at)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->e[i].to > at && !x->e[i].o.absent && x->e[i].o.ino == ino)
			x->e[i].to = at;
}

static bool same(const struct object *a, const struct object *b, enum promise what)
{
	if ((a->mode ^ b->mode) & S_IFMT || a->size != b->size || a->sum != b->sum)
		return false;
	return what == DATA_SOMEWHERE || (a->mode == b->mode && a->uid == b->uid && a->xattr == b->xattr);
}

static bool holds(const struct expectation *e, const struct tree *t)
{
	const struct object *o = tree_find(t, e->o.path);

	if (e->o.absent)
		return !o;
	if (o && same(o, &e->o, e->what))
		return true;
	for (unsigned i = 0; i < t->n && e->what != NAMED; i++)
		if (same(&t->o[i], &e->o, e->what))
			return true;
	return false;
}

const struct expectation *expect_check(const struct expectations *x, const struct tree *t, unsigned c)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->e[i].from <= c && c <= x->e[i].to && !holds(&x->e[i], t))
			return &x->e[i];
	return NULL;
}
