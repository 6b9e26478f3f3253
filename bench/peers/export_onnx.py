#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Networks as ONNX files for onnxruntime-node, batch size free. usage: export_onnx.py FOLDER"""
import sys, torch, torchvision, warnings; warnings.filterwarnings('ignore')
from model import ResNet
torch.manual_seed(0)
for name, m, S in (('resnet64', ResNet(), 64), ('resnet50', torchvision.models.resnet50(weights=None), 224),
                   ('mobilenet_v2', torchvision.models.mobilenet_v2(weights=None), 224)):
    for b in m.modules():                          # statistics as after training, so that no factor is trivially 1
        if isinstance(b, torch.nn.BatchNorm2d):
            b.weight.data.uniform_(.5, 1.5); b.bias.data.uniform_(-.5, .5); b.running_mean.uniform_(-.1, .1); b.running_var.uniform_(.5, 1.5)
    torch.onnx.export(m.eval(), torch.zeros(32, 3, S, S), f'{sys.argv[1]}/{name}.onnx', opset_version=13, input_names=['x'], output_names=['y'],
                      dynamic_axes={'x': {0: 'n'}, 'y': {0: 'n'}}, do_constant_folding=True)
