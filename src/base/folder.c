#include "base/folder.h"

#include <fcntl.h>
#include <unistd.h>

bool folder_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) return false;
	bool ok = fsync(fd) == 0;
	return close(fd) == 0 && ok;
}
