/* SPDX-License-Identifier: MIT */
/*
 * devtmpfs: a tmpfs with one instance, in which the kernel makes and removes the nodes of its devices. Nodes announced before the instance exists
 * wait in a list. The kernel holds a mount of its own from devtmpfs_start() on, so what programs add to /dev stays over unmounts.
 */
#include <maestro/dev.h>
#include <maestro/fs.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#include "../tmpfs/tmpfs.h"

struct dev_node {
	struct list node; /* [dev.node_lock] */
	mode_t mode;
	dev_t dev;
	char name[];
};

/* Finds or makes the directories of name's path; *last is its last component. */
static kerr_t walk_parents(struct path *at, const char *name, bool create, const char **last)
{
	const char *slash;

	while ((slash = strchr(name, '/')) != NULL) {
		char *part = kstrndup(name, (size_t)(slash - name), GFP_KERNEL);
		struct path next;
		kerr_t err;

		if (!part)
			return KERR(ENOMEM);
		err = path_lookup_at(at, part, LOOKUP_DIRECTORY, &next);
		if (kerr_code(err) == -ENOENT && create)
			err = vfs_mkdir(at, part, 0755, &next);
		kfree(part);
		if (err)
			return err;
		path_put(at);
		*at = next;
		name = slash + 1;
	}
	*last = name;
	return 0;
}

static void root_path(struct path *out)
{
	struct mount *m = kernel()->dev.devtmpfs;

	*out = (struct path){mount_get(m), dentry_get(m->root)};
}

static kerr_t make_node(const struct dev_node *n)
{
	struct path at, made;
	const char *last;
	kerr_t err;

	root_path(&at);
	err = walk_parents(&at, n->name, true, &last);
	if (!err) {
		err = vfs_mknod(&at, last, n->mode, n->dev, &made);
		if (!err)
			path_put(&made);
		else if (kerr_code(err) == -EEXIST)
			err = 0;
	}
	path_put(&at);
	return err;
}

kerr_t dev_node_add(const char *name, mode_t mode, dev_t dev)
{
	struct dev_state *s = &kernel()->dev;
	struct dev_node *n = kmalloc(sizeof(*n) + strlen(name) + 1, GFP_KERNEL);
	kerr_t err = 0;

	if (!n)
		return KERR(ENOMEM);
	n->mode = mode;
	n->dev = dev;
	strlcpy(n->name, name, strlen(name) + 1);
	mutex_lock(&s->node_lock);
	if (s->devtmpfs)
		err = make_node(n);
	if (err)
		kfree(n);
	else
		list_add_tail(&s->nodes, &n->node);
	mutex_unlock(&s->node_lock);
	return err;
}

void dev_node_remove(const char *name)
{
	struct dev_state *s = &kernel()->dev;
	struct dev_node *n, *tmp;

	mutex_lock(&s->node_lock);
	list_for_each_safe(n, tmp, &s->nodes, node) {
		if (strcmp(n->name, name))
			continue;
		list_del(&n->node);
		kfree(n);
		if (s->devtmpfs) {
			struct path at;
			const char *last;
			kerr_t err;

			root_path(&at);
			err = walk_parents(&at, name, false, &last);
			if (!err)
				err = vfs_unlink(&at, last);
			if (err && kerr_code(err) != -ENOENT)
				klog_warn("devtmpfs: cannot remove %s: error %d", name, -kerr_code(err));
			path_put(&at);
		}
		break;
	}
	mutex_unlock(&s->node_lock);
}

static kerr_t devtmpfs_fill_super(struct super *sb, const char *data, bool silent)
{
	(void)data; /* the kernel mounts it first, before programs could choose */
	return tmpfs_fill_super(sb, "mode=755", silent);
}

static const struct fs_type devtmpfs_type = {.name = "devtmpfs", .flags = FS_SINGLE | FS_NODEV_LISTED, .fill_super = devtmpfs_fill_super};

kerr_t devtmpfs_init(void)
{
	return fs_register(&devtmpfs_type);
}

kerr_t devtmpfs_start(void)
{
	struct dev_state *s = &kernel()->dev;
	struct dev_node *n;
	struct mount *m;
	kerr_t err = mount_kernel(&devtmpfs_type, "devtmpfs", 0, NULL, &m);

	if (err)
		return err;
	mutex_lock(&s->node_lock);
	s->devtmpfs = m;
	list_for_each(n, &s->nodes, node) {
		err = make_node(n);
		if (err)
			break;
	}
	mutex_unlock(&s->node_lock);
	return err;
}
