/* SPDX-License-Identifier: MIT */
/*
 * Names of AF_UNIX sockets: nodes of file systems, abstract names, names that the kernel gives (unix(7)).
 *
 * One table for abstract names, by name and type; one for nodes, by inode, which the bound socket's path keeps alive. Both under table_lock, which also
 * makes "has no name yet" and "gets one" one step.
 */
#include "unix_priv.h"

#define AUTOBIND_DIGITS 5

static struct hlist *name_bucket(const struct unix_sockaddr *a, int len, int type)
{
	return &un()->names[hash_bytes(a->path, (size_t)len - UNIX_ADDR_HEAD, (u32)type) % UNIX_HASH];
}

static struct hlist *inode_bucket(const struct inode *inode)
{
	return &un()->inodes[hash_ptr(inode) % UNIX_HASH];
}

kerr_t unix_check_addr(const void *addr, int len)
{
	const struct unix_sockaddr *a = addr;

	if (len <= (int)UNIX_ADDR_HEAD || len > (int)sizeof(*a))
		return KERR(EINVAL);
	return a->family == AF_UNIX ? KERR(0) : KERR(EINVAL);
}

static struct unix_addr *addr_make(const void *addr, int len)
{
	struct unix_addr *a = kmalloc(offsetof(struct unix_addr, a) + (size_t)len, GFP_KERNEL);

	if (!a)
		return NULL;
	atomic_set(&a->refs, 1);
	a->len = len;
	memcpy(&a->a, addr, (size_t)len);
	return a;
}

void unix_addr_put(struct unix_addr *a)
{
	if (a && atomic_dec_and_test(&a->refs))
		kfree(a);
}

int unix_addr_copy(const struct unix_sock *u, void *to)
{
	const struct unix_addr *a = u ? load_acquire(&u->addr) : NULL;
	u16 family = AF_UNIX;

	if (a) {
		memcpy(to, &a->a, (size_t)a->len);
		return a->len;
	}
	memcpy(to, &family, sizeof(family));
	return (int)sizeof(family);
}

/* ---------------------------------------------------------------- abstract names */
static struct unix_sock *name_find_locked(const struct unix_sockaddr *a, int len, int type)
{
	struct unix_sock *u;

	assert_held(&un()->table_lock);
	hlist_for_each(u, name_bucket(a, len, type), hash)
		if (u->s.type == type && u->addr->len == len && !memcmp(u->addr->a.path, a->path, (size_t)len - UNIX_ADDR_HEAD))
			return u;
	return NULL;
}

static void set_addr_locked(struct unix_sock *u, struct unix_addr *a, struct hlist *bucket)
{
	assert_held(&un()->table_lock);
	store_release(&u->addr, a);
	hlist_add(bucket, &u->hash);
}

/* KERR(EINVAL): u has a name; KERR(EADDRINUSE): another has this one. */
static kerr_t name_take(struct unix_sock *u, struct unix_addr *a)
{
	kerr_t err = 0;

	spin_lock(&un()->table_lock);
	if (u->addr)
		err = KERR(EINVAL);
	else if (name_find_locked(&a->a, a->len, u->s.type))
		err = KERR(EADDRINUSE);
	else
		set_addr_locked(u, a, name_bucket(&a->a, a->len, u->s.type));
	spin_unlock(&un()->table_lock);
	return err;
}

static kerr_t bind_abstract(struct unix_sock *u, const void *addr, int len)
{
	struct unix_addr *a = addr_make(addr, len);
	kerr_t err;

	if (!a)
		return KERR(ENOMEM);
	err = name_take(u, a);
	if (err)
		unix_addr_put(a);
	return err;
}

static kerr_t autobind(struct unix_sock *u)
{
	struct unix_sockaddr name = { .family = AF_UNIX };
	struct unix_addr *a = addr_make(&name, UNIX_ADDR_HEAD + 1 + AUTOBIND_DIGITS);
	u32 start = random_u32();
	kerr_t err = KERR(ENOSPC);

	if (!a)
		return KERR(ENOMEM);
	for (u32 i = 0; i < 1u << (4 * AUTOBIND_DIGITS); i++) {
		char digits[AUTOBIND_DIGITS + 1];

		ksnprintf(digits, sizeof(digits), "%05x", (start + i) & ((1u << (4 * AUTOBIND_DIGITS)) - 1));
		memcpy(a->a.path + 1, digits, AUTOBIND_DIGITS);
		err = name_take(u, a);
		if (kerr_code(err) != -EADDRINUSE)
			break;
		err = KERR(ENOSPC);
	}
	if (err)
		unix_addr_put(a);
	return kerr_code(err) == -EINVAL ? KERR(0) : err; /* it has one by now: as good */
}

kerr_t unix_autobind_for_cred(struct unix_sock *u)
{
	if (likely(!(load_relaxed(&u->s.flags) & SOCKET_PASSCRED)) || load_relaxed(&u->addr))
		return 0;
	return autobind(u);
}

/* ---------------------------------------------------------------- nodes of file systems */
/* The path in addr as a string of its own, and addr's length with the NUL. */
static char *path_of(const struct unix_sockaddr *a, int *len)
{
	size_t n = strnlen(a->path, (size_t)*len - UNIX_ADDR_HEAD);

	*len = (int)(UNIX_ADDR_HEAD + n + 1);
	return kstrndup(a->path, n, GFP_KERNEL);
}

static kerr_t node_take(struct unix_sock *u, struct unix_addr *a, const struct path *p)
{
	kerr_t err = KERR(EINVAL);

	spin_lock(&un()->table_lock);
	if (!u->addr) {
		u->path = *p;
		set_addr_locked(u, a, inode_bucket(p->dentry->inode));
		err = 0;
	}
	spin_unlock(&un()->table_lock);
	return err;
}

static kerr_t bind_node(struct unix_sock *u, const struct unix_sockaddr *given, int len)
{
	char *name = path_of(given, &len);
	struct unix_addr *a = addr_make(given, len); /* of 108 bytes without NUL: one more is added, as Linux does */
	struct path p;
	kerr_t err = KERR(ENOMEM);

	if (!name || !a)
		goto free;
	*((char *)&a->a + len - 1) = '\0';
	err = do_mknod_path(AT_FDCWD, name, S_IFSOCK | (u->s.file->inode->mode & 0777), 0, &p);
	if (err) {
		err = kerr_code(err) == -EEXIST ? KERR(EADDRINUSE) : err;
		goto free;
	}
	err = node_take(u, a, &p);
	if (err) {
		kerr_t lost = do_unlink(AT_FDCWD, name);

		(void)lost;
		path_put(&p);
		goto free;
	}
	kfree(name);
	return 0;
free:
	kfree(name);
	unix_addr_put(a);
	return err;
}

kerr_t unix_bind(struct socket *s, const void *addr, int len)
{
	const struct unix_sockaddr *a = addr;
	struct unix_sock *u = unix_of(s);
	kerr_t err;

	if (len == (int)UNIX_ADDR_HEAD && a->family == AF_UNIX)
		return autobind(u);
	err = unix_check_addr(addr, len);
	if (err)
		return err;
	return a->path[0] ? bind_node(u, a, len) : bind_abstract(u, addr, len);
}

/* ---------------------------------------------------------------- finding */
static kerr_t find_node(const struct unix_sockaddr *a, int len, int type, struct unix_sock **out)
{
	char *name = path_of(a, &len);
	struct unix_sock *u = NULL, *pos;
	struct inode *inode;
	struct path p;
	kerr_t err;

	if (!name)
		return KERR(ENOMEM);
	err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	kfree(name);
	if (err)
		return err;
	inode = p.dentry->inode;
	err = inode_permission(inode, MAY_WRITE);
	if (!err && S_ISSOCK(inode->mode)) {
		spin_lock(&un()->table_lock);
		hlist_for_each(pos, inode_bucket(inode), hash)
			if (pos->path.dentry->inode == inode) {
				u = pos;
				unix_get(u);
				break;
			}
		spin_unlock(&un()->table_lock);
	}
	path_put(&p);
	if (!err && !u)
		err = KERR(ECONNREFUSED);
	if (!err && u->s.type != type) {
		unix_put(u);
		err = KERR(EPROTOTYPE);
	}
	if (!err)
		*out = u;
	return err;
}

kerr_t unix_find(const void *addr, int len, int type, struct unix_sock **out)
{
	const struct unix_sockaddr *a = addr;
	struct unix_sock *u;

	if (a->path[0])
		return find_node(a, len, type, out);
	spin_lock(&un()->table_lock);
	u = name_find_locked(a, len, type);
	if (u)
		unix_get(u);
	spin_unlock(&un()->table_lock);
	if (!u)
		return KERR(ECONNREFUSED);
	*out = u;
	return 0;
}

void unix_unname(struct unix_sock *u)
{
	struct path p;

	spin_lock(&un()->table_lock);
	hlist_del(&u->hash);
	list_del(&u->all_node);
	p = u->path;
	u->path = (struct path) { NULL, NULL };
	spin_unlock(&un()->table_lock);
	if (p.dentry)
		path_put(&p);
}
