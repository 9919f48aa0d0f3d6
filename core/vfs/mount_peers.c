/* SPDX-License-Identifier: MIT */
/*
 * Propagation of mounts (mount_namespaces(7), "Shared subtrees"). A shared mount belongs to a peer group: what is mounted on or unmounted from one member
 * happens at the same place of all. A slave gets what happens in its master's group and gives nothing back; it may be shared itself, then its own group
 * gets it too. Everything under vfs.mount_mutex.
 *
 *   mount_propagate: copies of a new mount for each member and slave -> attached; mount_propagated_umount: what such copies became is unmounted with it
 */
#include "vfs_priv.h"

#define DEPTH_MAX 16u /* slaves of slaves of ... */

static struct mount *next_peer(const struct mount *m)
{
	return list_entry(m->peers.next, struct mount, peers);
}

void mount_share(struct mount *m)
{
	if (!m->peer_group)
		m->peer_group = ++vfs()->next_peer_group;
}

/* Its slaves become `to`'s, or nobody's. */
static void hand_over_slaves(struct mount *m, struct mount *to)
{
	struct mount *s, *next;

	list_for_each_safe(s, next, &m->slaves, slave_node) {
		s->master = to;
		list_del(&s->slave_node);
		if (to)
			list_add_tail(&to->slaves, &s->slave_node);
	}
}

static void leave_group(struct mount *m)
{
	struct mount *master = m->master, *peer = next_peer(m);

	if (peer != m) {
		/* One with the same root is the better stand-in: all that can be seen here can be seen there. */
		for (struct mount *p = peer; p != m; p = next_peer(p))
			if (p->root == m->root) {
				peer = p;
				break;
			}
		master = peer;
	}
	list_del(&m->peers);
	m->peer_group = 0;
	list_del(&m->slave_node);
	hand_over_slaves(m, master);
	m->master = master;
	if (master)
		list_add_tail(&master->slaves, &m->slave_node);
}

void mount_set_propagation(struct mount *m, unsigned type)
{
	if (type == MS_SHARED) {
		mount_share(m);
		m->unbindable = false;
		return;
	}
	leave_group(m);
	if (type != MS_SLAVE) {
		list_del(&m->slave_node);
		m->master = NULL;
	}
	m->unbindable = type == MS_UNBINDABLE;
}

void mount_clone_propagation(struct mount *m, struct mount *old, enum mount_clone how)
{
	if (how == CLONE_SAME) {
		m->peer_group = old->peer_group;
		if (old->peer_group)
			list_add(&old->peers, &m->peers);
		m->master = old->master;
		if (old->master)
			list_add_tail(&old->master->slaves, &m->slave_node);
		return;
	}
	m->master = old;
	list_add_tail(&old->slaves, &m->slave_node);
	if (how == CLONE_SHARED_SLAVE)
		mount_share(m);
}

kerr_t mount_set_group(const struct path *from, const struct path *to)
{
	struct mount *src = from->mnt, *m = to->mnt;
	kerr_t err = KERR(EINVAL);

	mutex_lock(&vfs()->mount_mutex);
	if (!src->detached && !m->detached && from->dentry == src->root && to->dentry == m->root && src->sb == m->sb && dentry_is_below(m->root, src->root) &&
	    !m->peer_group && !m->master && (src->peer_group || src->master)) {
		mount_clone_propagation(m, src, CLONE_SAME);
		err = KERR(0);
	}
	mutex_unlock(&vfs()->mount_mutex);
	return err;
}

/* ---------------------------------------------------------------- mounting */

struct propagation {
	struct dentry *point;
	struct list *copies; /* of the source, attached and not listed yet, by all_node */
};

/* Not one of the mounts that are being made now. */
static bool is_old(const struct mount *m)
{
	return m->listed;
}

/* A copy of source for m, unless m does not show the place; *out is left alone then. */
static kerr_t place(const struct propagation *p, struct mount *m, struct mount *source, enum mount_clone how, struct mount **out)
{
	struct mount *copy;
	kerr_t err;

	if (!is_old(m) || !dentry_is_below(p->point, m->root))
		return KERR(0);
	err = mount_clone_tree(&(struct path) { source, source->root }, how, true, &copy);
	if (err)
		return err;
	mount_attach_below(copy, &(struct path) { m, p->point });
	list_add_tail(p->copies, &copy->all_node);
	*out = copy;
	return KERR(0);
}

/* Of a shared slave's group, the one by which it is visited. */
static bool is_first_of_group(const struct mount *m)
{
	for (const struct mount *p = next_peer(m); p != m; p = next_peer(p))
		if (is_old(p) && p->id < m->id)
			return false;
	return is_old(m);
}

static kerr_t propagate_group(const struct propagation *p, struct mount *member, struct mount *source, unsigned depth);

static kerr_t propagate_slaves(const struct propagation *p, struct mount *m, struct mount *source, unsigned depth)
{
	struct mount *s;
	kerr_t err = KERR(0);

	list_for_each(s, &m->slaves, slave_node) {
		struct mount *copy = source;

		if (!is_old(s) || (s->peer_group && !is_first_of_group(s)))
			continue;
		err = place(p, s, source, s->peer_group ? CLONE_SHARED_SLAVE : CLONE_SLAVE, &copy);
		if (!err)
			err = propagate_group(p, s, copy, depth + 1);
		if (err)
			break;
	}
	return err;
}

/* To the other members of a group, and to all slaves of any. */
static kerr_t propagate_group(const struct propagation *p, struct mount *member, struct mount *source, unsigned depth)
{
	struct mount *m = member, *unused;
	kerr_t err = depth < DEPTH_MAX ? KERR(0) : KERR(ENOSPC);

	for (m = next_peer(member); !err && m != member; m = next_peer(m))
		err = place(p, m, source, CLONE_SAME, &unused);
	m = member;
	do {
		if (!err && is_old(m))
			err = propagate_slaves(p, m, source, depth);
		m = next_peer(m);
	} while (!err && m != member);
	return err;
}

kerr_t mount_propagate(const struct path *at, struct mount *source, struct list *copies)
{
	struct propagation p = { at->dentry, copies };

	return propagate_group(&p, at->mnt, source, 0);
}

/* ---------------------------------------------------------------- unmounting */

typedef kerr_t (*visit_fn)(struct mount *m, void *arg);

static kerr_t visit_group(struct mount *member, visit_fn fn, void *arg, unsigned depth)
{
	struct mount *m = member, *s, *next;
	kerr_t err = KERR(0);

	do {
		if (depth || m != member)
			err = fn(m, arg);
		list_for_each_safe(s, next, &m->slaves, slave_node)
			if (!err && depth < DEPTH_MAX && (!s->peer_group || is_first_of_group(s)))
				err = visit_group(s, fn, arg, depth + 1);
		m = next_peer(m);
	} while (!err && m != member);
	return err;
}

struct umounting {
	struct mount *top;
	struct list *gone; /* by all_node */
};

/* What stands at top's place of m, if it can go. */
static struct mount *counterpart(struct mount *m, const struct umounting *u)
{
	struct mount *c;

	spin_lock(&vfs()->dcache_lock);
	c = mount_lookup_locked(m, u->top->point);
	spin_unlock(&vfs()->dcache_lock);
	return c && c != u->top && list_empty(&c->children) ? c : NULL;
}

static kerr_t refuse_busy(struct mount *m, void *arg)
{
	struct mount *c = counterpart(m, arg);

	return c && atomic_read(&c->refs) > 1 ? KERR(EBUSY) : KERR(0);
}

static kerr_t collect(struct mount *m, void *arg)
{
	const struct umounting *u = arg;
	struct mount *c = counterpart(m, u);

	if (c)
		list_move_tail(u->gone, &c->all_node);
	return KERR(0);
}

bool mount_propagated_busy(struct mount *m)
{
	struct umounting u = { .top = m };

	return kerr_code(visit_group(m->parent, refuse_busy, &u, 0)) != 0;
}

void mount_propagated_umount(struct mount *m, struct list *gone)
{
	struct umounting u = { m, gone };
	kerr_t err = visit_group(m->parent, collect, &u, 0);

	(void)err; /* it only collects */
}
