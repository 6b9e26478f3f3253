/* SPDX-License-Identifier: Apache-2.0 */
/* Names of classes, which are the names of folders. A folder's name may be any bytes; a class's name is
 * always UTF-8, since it goes into JSON, HDF5 and tables: bytes that are no UTF-8 are written as \xNN there
 * and everywhere else, so that none is left out and two folders never share a name by it. */
#ifndef MR_IO_CLASS_NAME_H
#define MR_IO_CLASS_NAME_H

#include "base/text.h"

/* Appends the name of the class whose folder is called FOLDER. */
void mr_class_name_append(mr_text *out, const char *folder);
/* The same as a string of its own, or NULL without memory. */
char *mr_class_name_of(const char *folder);

#endif
