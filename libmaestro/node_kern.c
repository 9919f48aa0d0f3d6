/* SPDX-License-Identifier: MIT */
/*
 * Nodes: file handles for servers. A node is found by its inode in a hash table, so all names of one object give one node; it keeps a path (some name that led
 * to it), which keeps dentry and inode. Open files are kept on a list, so that the end of the instance finds them.
 *
 * Acting as somebody: the calling task's credentials are exchanged for prepared ones during the call; a few are kept ready.
 *
 * Locking: lib_nodes.mutex (RANK_NONE: outermost, nothing sleeping inside but allocation) for the table, the list and the credentials.
 */
#include "node_kern.h"

static struct kernel_host *kern_host(void)
{
	return ((struct hosted *)HOSTED_TLS_GET(inst))->kern;
}

/* Made at first use; the instance's first thread makes it before others know a node. */
struct lib_nodes *node_state(void)
{
	struct kernel_host *kh = kern_host();
	struct lib_nodes *l;

	if (likely(kh->lib))
		return kh->lib;
	mutex_lock(&kh->disks_mutex);
	l = kh->lib;
	if (!l) {
		l = kzalloc(sizeof(*l), GFP_KERNEL);
		if (l) {
			mutex_init(&l->mutex, RANK_NONE, "nodes");
			list_init(&l->files);
			store_release(&kh->lib, l);
		}
	}
	mutex_unlock(&kh->disks_mutex);
	return l;
}

/* ---------------------------------------------------------------- entering as somebody */
int node_enter(struct maestro *k)
{
	int err = hosted_enter(&k->h);

	if (unlikely(err))
		return err;
	if (unlikely(!node_state())) {
		hosted_leave();
		return -ENOMEM;
	}
	return 0;
}

static kerr_t make_cred(const struct maestro_caller *who, const struct cred **out)
{
	struct group_list *none;
	struct cred *c;
	kerr_t err = groups_alloc(0, &none);

	if (err)
		return err;
	err = cred_prepare(&c);
	if (err) {
		atomic_dec(&none->refs);
		return err;
	}
	atomic_dec(&c->groups->refs); /* the task's own list has another reference */
	c->groups = none;
	c->fsuid = who->uid;
	c->fsgid = who->gid;
	if (!who->privileged && who->uid) {
		c->uid = c->euid = c->suid = who->uid;
		c->gid = c->egid = c->sgid = who->gid;
		c->cap_effective = c->cap_permitted = c->cap_inheritable = c->cap_ambient = 0;
	}
	*out = c;
	return 0;
}

/* A reference to credentials for who. */
static kerr_t find_cred(const struct maestro_caller *who, const struct cred **out)
{
	struct lib_nodes *l = node_state();
	struct ready_cred *r;
	kerr_t err = KERR(0);

	mutex_lock(&l->mutex);
	for (unsigned i = 0; i < READY_CREDS; i++) {
		r = &l->ready[i];
		if (r->cred && r->uid == who->uid && r->gid == who->gid && r->privileged == who->privileged)
			goto found;
	}
	r = &l->ready[l->next_ready++ % READY_CREDS];
	{
		const struct cred *made;

		err = make_cred(who, &made);
		if (err)
			goto out;
		if (r->cred)
			cred_put(r->cred);
		*r = (struct ready_cred){.cred = made, .uid = who->uid, .gid = who->gid, .privileged = who->privileged};
	}
found:
	*out = cred_get(r->cred);
out:
	mutex_unlock(&l->mutex);
	return err;
}

const struct cred *node_exchange_cred(const struct cred *c)
{
	unsigned long flags = tasklist_lock(); /* others look at it under the lock */
	const struct cred *old = hal_current()->cred;

	hal_current()->cred = c;
	tasklist_unlock(flags);
	return old;
}

int node_enter_as(struct maestro *k, const struct maestro_caller *who, const struct cred **saved)
{
	const struct cred *c;
	int err = node_enter(k);

	*saved = NULL;
	if (unlikely(err))
		return err;
	if (who) {
		kerr_t kerr = find_cred(who, &c);

		if (kerr) {
			hosted_leave();
			return kerr_code(kerr);
		}
		*saved = node_exchange_cred(c);
	}
	return 0;
}

void node_leave_as(const struct cred *saved)
{
	if (saved)
		cred_put(node_exchange_cred(saved));
	hosted_leave();
}

/* ---------------------------------------------------------------- the table */
static struct hlist *bucket(struct lib_nodes *l, const struct inode *inode)
{
	return &l->hash[hash_ptr(inode) >> 20];
}
STATIC_ASSERT(NODE_BUCKETS == 1u << 12);

static struct maestro_node *find_node(struct lib_nodes *l, const struct path *p)
{
	struct maestro_node *n;

	hlist_for_each(n, bucket(l, p->dentry->inode), hash)
		if (n->path.dentry->inode == p->dentry->inode && n->path.mnt == p->mnt)
			return n;
	return NULL;
}

kerr_t node_of(struct path *p, struct maestro_node **out)
{
	struct lib_nodes *l = node_state();
	struct maestro_node *n, *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);

	if (!fresh) {
		path_put(p);
		return KERR(ENOMEM);
	}
	mutex_lock(&l->mutex);
	n = find_node(l, p);
	if (!n) {
		n = fresh;
		fresh = NULL;
		n->path = *p;
		hlist_add(bucket(l, p->dentry->inode), &n->hash);
	}
	n->count++;
	mutex_unlock(&l->mutex);
	if (fresh) {
		path_put(p);
		kfree(fresh);
	}
	*out = n;
	return 0;
}

static void node_release(struct maestro_node *n)
{
	for (struct maestro_file *f = n->own, *older; f; f = older) {
		older = f->older;
		node_file_close(f);
	}
	path_put(&n->path);
	kfree(n);
}

void maestro_node_forget(struct maestro *k, struct maestro_node *n, uint64_t count)
{
	struct lib_nodes *l;
	bool last;

	if (node_enter(k))
		return;
	l = node_state();
	mutex_lock(&l->mutex);
	n->count -= MIN(count, n->count);
	last = !n->count;
	if (last)
		hlist_del(&n->hash);
	mutex_unlock(&l->mutex);
	if (last)
		node_release(n);
	hosted_leave();
}

void lib_nodes_release(void)
{
	struct lib_nodes *l = kern_host()->lib;
	struct maestro_file *f, *tmp;

	if (!l)
		return;
	for (unsigned i = 0; i < NODE_BUCKETS; i++) {
		struct hlist *h = &l->hash[i];

		while (h->first) {
			struct maestro_node *n = container_of(h->first, struct maestro_node, hash);

			hlist_del(&n->hash);
			node_release(n);
		}
	}
	list_for_each_safe(f, tmp, &l->files, node)
		node_file_close(f);
	for (unsigned i = 0; i < READY_CREDS; i++)
		if (l->ready[i].cred)
			cred_put(l->ready[i].cred);
	kern_host()->lib = NULL;
	kfree(l);
}
