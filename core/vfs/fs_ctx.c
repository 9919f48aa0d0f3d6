/* SPDX-License-Identifier: MIT */
/* A task's root, working directory and umask; shared by CLONE_FS. Locking: fs_ctx.lock; a context that is not shared is changed by its task only. */
#include "vfs_priv.h"

void path_get(const struct path *p)
{
	mount_get(p->mnt);
	dentry_get(p->dentry);
}

void path_put(const struct path *p)
{
	dentry_put(p->dentry);
	mount_put(p->mnt);
}

kerr_t fs_ctx_alloc(struct fs_ctx **out)
{
	struct fs_ctx *fs = kzalloc(sizeof(*fs), GFP_KERNEL);

	if (!fs)
		return KERR(ENOMEM);
	atomic_set(&fs->refs, 1);
	spin_init(&fs->lock, RANK_ISPIN, "fs_ctx.lock");
	fs->umask = 022;
	fs->root = (struct path) { vfs()->root_mnt, vfs()->root_mnt->root };
	path_follow_mounts_get(&fs->root);
	fs->cwd = fs->root;
	path_get(&fs->cwd);
	*out = fs;
	return 0;
}

kerr_t fs_ctx_dup(struct fs_ctx *src, struct fs_ctx **out)
{
	struct fs_ctx *fs = kmalloc(sizeof(*fs), GFP_KERNEL);

	if (!fs)
		return KERR(ENOMEM);
	atomic_set(&fs->refs, 1);
	spin_init(&fs->lock, RANK_ISPIN, "fs_ctx.lock");
	spin_lock(&src->lock);
	fs->umask = src->umask;
	fs->root = src->root;
	fs->cwd = src->cwd;
	path_get(&fs->root);
	path_get(&fs->cwd);
	spin_unlock(&src->lock);
	*out = fs;
	return 0;
}

void fs_ctx_put(struct fs_ctx *fs)
{
	if (!atomic_dec_and_test(&fs->refs))
		return;
	path_put(&fs->root);
	path_put(&fs->cwd);
	kfree(fs);
}

static void ctx_get(struct path *out, bool cwd)
{
	struct fs_ctx *fs = current->fs;

	if (!fs) {
		*out = (struct path) { vfs()->root_mnt, vfs()->root_mnt->root };
		path_follow_mounts_get(out);
		return;
	}
	spin_lock(&fs->lock);
	*out = cwd ? fs->cwd : fs->root;
	path_get(out);
	spin_unlock(&fs->lock);
}

static void ctx_set(const struct path *p, bool cwd)
{
	struct fs_ctx *fs = current->fs;
	struct path *at = cwd ? &fs->cwd : &fs->root, old;

	path_get(p);
	spin_lock(&fs->lock);
	old = *at;
	*at = *p;
	spin_unlock(&fs->lock);
	path_put(&old);
}

void fs_ctx_get_root(struct path *out)
{
	ctx_get(out, false);
}

void fs_ctx_get_cwd(struct path *out)
{
	ctx_get(out, true);
}

void fs_ctx_set_cwd(const struct path *p)
{
	ctx_set(p, true);
}

void fs_ctx_set_root(const struct path *p)
{
	ctx_set(p, false);
}
