# SPDX-License-Identifier: MIT
"""Several processes change one tree at random, in directories that they share; each also keeps files of its own, and knows what must be in them.
usage: clients.py DIRECTORY CLIENTS OPERATIONS SEED"""
import errno
import os
import random
import sys

top, clients, operations, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
# What others do meanwhile may answer a call with these.
EXPECTED = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.ELOOP, errno.ENODATA, errno.ENXIO, errno.ESTALE, errno.EPERM,
            errno.EMLINK}


class Client:
    def __init__(self, who):
        self.r = random.Random(seed * 100 + who)
        self.own = "%s/own%d" % (top, who)
        self.model = {}
        os.mkdir(self.own)

    def shared(self):
        return "%s/shared%d/%s" % (top, self.r.randrange(3), self.r.choice("abcdefgh"))

    def data(self):
        return self.r.randbytes(self.r.choice((1, 100, 4096, 5000, 70000)))

    def opened(self, flags):
        return os.fdopen(os.open(self.shared(), flags, 0o644), "r+b" if flags & os.O_RDWR else "rb", buffering=0)

    def create(self):
        self.opened(os.O_RDWR | os.O_CREAT).close()

    def write(self):
        with self.opened(os.O_RDWR | os.O_CREAT) as f:
            os.pwrite(f.fileno(), self.data(), self.r.randrange(200000))
            if self.r.randrange(10) == 0:
                os.fsync(f.fileno())

    def append(self):
        with self.opened(os.O_RDWR | os.O_CREAT | os.O_APPEND) as f:
            f.write(self.data())

    def read(self):
        with self.opened(os.O_RDONLY) as f:
            if self.r.randrange(2):
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            os.pread(f.fileno(), 100000, self.r.randrange(100000))

    def seek(self):
        with self.opened(os.O_RDONLY) as f:
            os.lseek(f.fileno(), 0, self.r.choice((os.SEEK_DATA, os.SEEK_HOLE)))

    def copy(self):
        with self.opened(os.O_RDONLY) as a, self.opened(os.O_RDWR | os.O_CREAT) as b:
            os.copy_file_range(a.fileno(), b.fileno(), 50000, 0, self.r.randrange(50000))

    def truncate(self):
        os.truncate(self.shared(), self.r.randrange(100000))

    def attributes(self):
        p = self.shared()
        os.chmod(p, self.r.choice((0o600, 0o755)))
        os.utime(p, (self.r.randrange(1 << 31),) * 2)
        os.stat(p)

    def xattr(self):
        p = self.shared()
        os.setxattr(p, "user.a", self.r.randbytes(self.r.randrange(1, 300)))
        os.getxattr(p, "user.a")
        os.listxattr(p)
        if self.r.randrange(2):
            os.removexattr(p, "user.a")

    def listing(self):
        for e in os.scandir(os.path.dirname(self.shared())):
            e.stat(follow_symlinks=False)

    def link(self):
        os.link(self.shared(), self.shared())

    def symlink(self):
        p = self.shared()
        os.symlink("x" * self.r.choice((5, 100)), p)
        os.readlink(p)

    def mkdir(self):
        p = self.shared()
        os.mkdir(p)
        os.close(os.open(p + "/inside", os.O_CREAT | os.O_WRONLY))
        os.unlink(p + "/inside")

    def rename(self):
        os.rename(self.shared(), self.shared())

    def remove(self):
        p = self.shared()
        if self.r.randrange(3) == 0:
            os.rmdir(p)
        else:
            os.unlink(p)

    def statfs(self):
        os.statvfs(top)

    def keep(self):
        name = "%s/%d" % (self.own, self.r.randrange(8))
        self.model[name] = self.data()
        with open(name, "wb") as f:
            f.write(self.model[name])

    def look(self):
        for name, want in self.model.items():
            with open(name, "rb") as f:
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                assert f.read() == want, name + " has other contents"

    def run(self):
        calls = [self.create, self.write, self.append, self.read, self.seek, self.copy, self.truncate, self.attributes, self.xattr, self.listing, self.link,
                 self.symlink, self.mkdir, self.rename, self.remove, self.statfs, self.keep]
        for _ in range(operations):
            try:
                self.r.choice(calls)()
            except OSError as e:
                if e.errno not in EXPECTED:
                    raise
        self.look()


for i in range(3):
    os.mkdir("%s/shared%d" % (top, i))
children = []
for who in range(clients):
    pid = os.fork()
    if not pid:
        Client(who).run()
        os._exit(0)
    children.append(pid)
sys.exit(any([os.waitpid(pid, 0)[1] for pid in children]))
