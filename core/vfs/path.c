/* SPDX-License-Identifier: MIT */
/* The text of a path: from a dentry up through its mounts to a root. For getcwd(2), /proc, messages. Locking: vfs.dcache_lock throughout. */
#include "vfs_priv.h"

struct text {
	char *start, *low; /* grows down from start to low */
	bool full;
};

static void prepend(struct text *t, const char *s, size_t n)
{
	if ((size_t)(t->start - t->low) < n) {
		t->full = true;
		return;
	}
	t->start -= n;
	memcpy(t->start, s, n);
}

static char *special_text(const struct path *p, char *buf, size_t size)
{
	size_t n = p->dentry->ops->dname(p->dentry, buf, size);

	return n < size ? buf : NULL;
}

char *path_text(const struct path *p, const struct path *root, char *buf, size_t size, bool *unreachable)
{
	struct text t = { buf + size - 1, buf, false };
	struct mount *m = p->mnt;
	struct dentry *d = p->dentry;
	bool lost = false;

	if (unreachable)
		*unreachable = false;
	if (!size)
		return NULL;
	if (d->ops && d->ops->dname)
		return special_text(p, buf, size);
	*t.start = 0;
	spin_lock(&vfs()->dcache_lock);
	if (d->parent != d && !(d->flags & DENTRY_HASHED))
		prepend(&t, " (deleted)", 10);
	while (!root || d != root->dentry || m != root->mnt) {
		if (m && d == m->root) {
			if (!m->parent) {
				lost = root != NULL;
				break;
			}
			d = m->point;
			m = m->parent;
			continue;
		}
		if (d->parent == d) {
			lost = true;
			break;
		}
		prepend(&t, d->name.str, d->name.len);
		prepend(&t, "/", 1);
		d = d->parent;
	}
	spin_unlock(&vfs()->dcache_lock);
	if (!*t.start || *t.start == ' ')
		prepend(&t, "/", 1);
	if (unreachable)
		*unreachable = lost;
	return t.full ? NULL : t.start;
}
