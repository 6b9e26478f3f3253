/* SPDX-License-Identifier: Apache-2.0 */
/* What `make lint` tells cppcheck, which is not given the headers of libraries: jansson's loops. */
#define json_array_foreach(array, index, value)                                                              \
    for (index = 0; (value = json_array_get(array, index)); index++)
#define json_object_foreach(object, key, value) for (; (value = json_object_get(object, key));)
